"""What went wrong with an encrypted connection, in words. Pure."""

import ssl

_CERTIFICATE = {
    9: "its certificate is not valid yet; check the clocks of the reader and of this PC",
    10: "its certificate has expired; renew it in the reader",
    18: "its certificate is signed by itself; give that certificate as tls_ca_file",
    19: "its certificate comes from an unknown authority; give the authority's certificate as tls_ca_file",
    20: "its certificate comes from an unknown authority; give the authority's certificate as tls_ca_file",
    21: "its certificate comes from an unknown authority; give the authority's certificate as tls_ca_file",
    62: "its certificate names another reader; correct host, or set tls_server_name to the certificate's name",
    64: "its certificate names another reader; correct host, or set tls_server_name to the certificate's name",
}
"""Verification result of OpenSSL (X509_V_ERR_...) -> words."""

_REASONS = {
    "WRONG_VERSION_NUMBER": "no TLS is spoken at this port; check port and that TLS is on in the reader",
    "UNEXPECTED_EOF_WHILE_READING": "it hung up during the TLS handshake; check that TLS is on in the reader",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of ours; set tls_certificate_file",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refuses the TLS handshake; it may want tls_certificate_file",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority of our certificate (tls_certificate_file)",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no TLS 1.2 or newer; update the reader's firmware",
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS 1.2 or newer; update the reader's firmware",
}
"""Reason of OpenSSL -> words."""


def in_words(error: OSError) -> str:
    """Say what an error of a socket means, encrypted or not."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE.get(error.verify_code, f"its certificate is refused: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return _REASONS.get(error.reason or "", f"TLS failed: {error.reason or error}")
    return error.strerror or str(error)
