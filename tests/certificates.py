"""Certificates for tests of TLS: made by the command openssl, valid for 127.0.0.1."""

import shutil
import ssl
import subprocess
from pathlib import Path

from tests.conftest import skip_or_fail


def make_certificate(folder: Path, name: str = "reader") -> tuple[Path, Path]:
    """Make a self-signed certificate for 127.0.0.1 and its key; skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is not installed")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run(
        [*command, *names, "-keyout", str(key), "-out", str(certificate)], capture_output=True, check=True, timeout=30
    )
    return certificate, key


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS of whoever accepts connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def client_context(trusted: Path) -> ssl.SSLContext:
    """TLS of whoever opens connections, trusting one certificate."""
    return ssl.create_default_context(cafile=trusted)
