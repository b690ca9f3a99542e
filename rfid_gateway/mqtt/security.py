"""Who we are to the broker and how we know that it is the broker: password, certificates, and their errors in words.

Files are read at each connection, so a new password or certificate needs no restart. What is in them is never kept,
logged or part of an error.
"""

import hashlib
import os
import ssl
from pathlib import Path

from rfid_gateway.mqtt.settings import CREDENTIAL, MqttSettings, TlsSettings


class SecurityError(ValueError):
    """A password or certificate cannot be used; names the file, never what is in it."""


def password(file: str | None) -> str | None:
    """The first line of a file; None without one.

    Raises:
        SecurityError: it cannot be read, or is no UTF-8.
    """
    if file is None:
        return None
    path = _path(file)
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        # Not chained: that error carries the file's content.
        raise SecurityError(f"password_file {path}: is not UTF-8") from None
    except OSError as error:
        raise SecurityError(f"password_file {path}: {error.strerror}") from error


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """TLS that trusts the configured authority and shows our own certificate, if there is one.

    Raises:
        SecurityError: a file cannot be read or is no PEM, or key and certificate do not belong together.
    """
    ca_file = tls.ca_file and _path(tls.ca_file)
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise SecurityError(f"tls.ca_file {ca_file}: {_file_trouble(error)}") from error
    if tls.certificate_file is not None and tls.key_file is not None:
        certificate, key = _path(tls.certificate_file), _path(tls.key_file)
        for name, path in (("certificate_file", certificate), ("key_file", key)):
            try:
                path.open("rb").close()
            except OSError as error:
                raise SecurityError(f"tls.{name} {path}: {error.strerror}") from error
        try:
            # An encrypted key would make OpenSSL ask on the terminal, which a service does not have.
            context.load_cert_chain(certificate, key, password=_no_passphrase)
        except OSError as error:
            words = f"tls.certificate_file {certificate}, key_file {key}: {_file_trouble(error)}"
            raise SecurityError(words) from error
    return context


def fingerprint(settings: MqttSettings) -> bytes:
    """Return a value that differs when what is in the files of `[mqtt]` differs; of a file that cannot be read, none.

    Only regular files are looked at: others may never answer.
    """
    tls = settings.tls or TlsSettings()
    digest = hashlib.sha256()
    for file in (settings.password_file, tls.ca_file, tls.certificate_file, tls.key_file):
        try:
            path = None if file is None else _path(file)
            content = path.read_bytes() if path is not None and path.is_file() else b""
        except (OSError, SecurityError):
            content = b""
        digest.update(hashlib.sha256(content).digest())
    return digest.digest()


def words_of(error: OSError) -> str:
    """What a failed connection means, and what helps, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted: {error.verify_message.rstrip('.')}{_hint(error)}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        return f"TLS: {reason}{_ALERTS.get(error.reason or '', '')}"
    return error.strerror or str(error)


_X509_V_ERR_CERT_HAS_EXPIRED = 10
_X509_V_ERR_NOT_YET_VALID = 9
_ALERTS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": ": the broker wants a client certificate; set certificate_file and key_file",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": ": the broker may want a client certificate (certificate_file and key_file)",
    "TLSV1_ALERT_UNKNOWN_CA": ": the broker does not know who signed our certificate_file",
    "SSLV3_ALERT_BAD_CERTIFICATE": ": the broker does not accept our certificate_file",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ": our certificate_file has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": ": our certificate_file is revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": ": the broker does not accept our certificate_file",
    "WRONG_VERSION_NUMBER": ": the port may not speak TLS",
    "TLSV1_ALERT_PROTOCOL_VERSION": ": the broker speaks only older versions of TLS",
}


def _hint(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in (_X509_V_ERR_CERT_HAS_EXPIRED, _X509_V_ERR_NOT_YET_VALID):
        return "; renew it, or set this PC's clock right"
    if "mismatch" in error.verify_message:
        return ""
    return "; tls.ca_file must hold the certificate of the authority that signed it"


def _path(file: str) -> Path:
    """A file's path; `credential:NAME` is a credential that systemd hands to the service (LoadCredential=)."""
    if not file.startswith(CREDENTIAL):
        return Path(file)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise SecurityError(f"{file}: there are no credentials; only systemd sets CREDENTIALS_DIRECTORY")
    return Path(folder) / file.removeprefix(CREDENTIAL)


def _file_trouble(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").lower().replace("_", " ")
        return "certificate and key do not belong together" if "mismatch" in reason else f"is no PEM file ({reason})"
    return error.strerror or str(error)


def _no_passphrase() -> str:
    return ""
