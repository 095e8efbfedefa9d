"""TLS that does not work out: tried against real sockets, for only their errors are the real ones."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cli.conftest import TOKEN, Leasehold


@contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[int]:
    """A server that takes one connection, with TLS or without, and says nothing; yields its port."""

    def serve() -> None:
        with suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.settimeout(5)
                if context is None:
                    connection.recv(1024)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                else:
                    context.wrap_socket(connection, server_side=True).recv(1024)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            thread.join(10)


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody's authority")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_certificate_that_nobody_vouches_for_is_named_as_such(leasehold: Leasehold, tmp_path: Path) -> None:
    with listening(self_signed(tmp_path)) as port:
        ended = leasehold("login", f"https://127.0.0.1:{port}", "--token-file", "-", stdin=TOKEN)

    assert ended.code == 4
    assert "does not trust: self-signed certificate" in ended.err
    assert "SSL_CERT_FILE" in ended.err


def test_https_to_a_port_without_tls_says_to_use_http(leasehold: Leasehold) -> None:
    with listening(None) as port:
        ended = leasehold("login", f"https://127.0.0.1:{port}", "--token-file", "-", stdin=TOKEN)

    assert ended.code == 4
    assert "does not speak TLS" in ended.err
    assert "http://" in ended.err


def test_http_to_a_port_with_tls_says_to_use_https(leasehold: Leasehold, tmp_path: Path) -> None:
    with listening(self_signed(tmp_path)) as port:
        ended = leasehold("login", f"http://127.0.0.1:{port}", "--token-file", "-", stdin=TOKEN)

    assert ended.code == 4
    assert "https://" in ended.err
