"""Encrypted LLRP (LLRP 1.1 section 20.2.1): reads the certificates, shakes hands."""

import selectors
import socket
import ssl
import time

from rfid_drivers.llrp.connection import Waker
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.tls_words import in_words
from rfid_gateway.driver import ReaderError


class Encryption:
    """Turns connected sockets into encrypted ones. Owner: the reader's thread."""

    def __init__(self, options: LlrpOptions) -> None:
        """Read the files that `options` names.

        Raises:
            ReaderError: a file cannot be read or is no certificate.
        """
        self._server_name = options.tls_server_name or options.host
        try:
            self._context = ssl.create_default_context(cafile=options.tls_ca_file or None)
        except OSError as error:
            raise ReaderError(f"tls_ca_file = {options.tls_ca_file!r} cannot be used: {in_words(error)}") from error
        if not options.tls_verify:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        if options.tls_certificate_file:
            self._load_own(options.tls_certificate_file, options.tls_key_file)

    def _load_own(self, certificate: str, key: str) -> None:
        try:
            self._context.load_cert_chain(certificate, key or None)
        except OSError as error:
            files = f"tls_certificate_file = {certificate!r}" + (f" with tls_key_file = {key!r}" if key else "")
            raise ReaderError(f"{files} cannot be used: {in_words(error)}") from error

    def encrypt(self, connected: socket.socket, deadline: float, waker: Waker) -> ssl.SSLSocket | None:
        """Shake hands until `deadline` (monotonic seconds); None if woken meanwhile.

        Raises:
            ReaderError: the reader is not who it should be, speaks no TLS, or is too slow.
        """
        connected.settimeout(0)
        encrypted = self._context.wrap_socket(
            connected, server_hostname=self._server_name, do_handshake_on_connect=False
        )
        try:
            finished = _shake_hands(encrypted, deadline, waker)
        except OSError as error:
            encrypted.close()
            raise ReaderError(f"no encrypted connection to the reader: {in_words(error)}") from error
        if not finished:
            encrypted.close()
            return None
        return encrypted


def _shake_hands(encrypted: ssl.SSLSocket, deadline: float, waker: Waker) -> bool:
    """Shake hands; False if woken before the end. Raises OSError like `do_handshake`."""
    with selectors.DefaultSelector() as selector:
        selector.register(waker, selectors.EVENT_READ)
        selector.register(encrypted, selectors.EVENT_READ)
        while True:
            try:
                encrypted.do_handshake()
            except ssl.SSLWantReadError:
                selector.modify(encrypted, selectors.EVENT_READ)
            except ssl.SSLWantWriteError:
                selector.modify(encrypted, selectors.EVENT_WRITE)
            else:
                return True
            ready = {key.fileobj for key, _ in selector.select(max(deadline - time.monotonic(), 0))}
            if waker in ready:
                return False
            if not ready:
                raise TimeoutError("the TLS handshake takes too long")
