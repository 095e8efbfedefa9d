"""What goes wrong when a machine is let in is answered with the cause and the cure; one identity is one process."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.system.place import Place
from tests.system.programs import free_port, until

TOKEN_REFUSED, UNREACHABLE, IN_USE = 4, 5, 6
NOWHERE = "enr_0123456789ab." + "A" * 43


def enroll(api: Place, *token: str, url: str | None = None, code: int) -> str:
    """Try to enrol; nothing of an attempt that failed is in the way of the next."""
    said = api.command("edge-agent", "enroll", url or api.url, *token, "--state-dir", "refused", code=code)
    assert "Traceback" not in said
    return said


@contextmanager
def tls_server(directory: Path) -> Generator[str]:
    """Listen with a certificate that nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = directory / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_a_token_lets_one_agent_in(api: Place) -> None:
    token = api.issue_token("north")
    api.command("edge-agent", "enroll", api.url, "--token-file", token, "--name", "first", "--state-dir", "first")

    said = enroll(api, "--token-file", token, code=TOKEN_REFUSED)

    assert "used" in said


def test_a_revoked_token_lets_nobody_in(api: Place) -> None:
    token = api.issue_token("north")
    number = (api.home / token).read_text().partition(".")[0]
    api.command("leasehold", "tokens", "revoke", number)

    said = enroll(api, "--token-file", token, code=TOKEN_REFUSED)

    assert "revoked" in said


def test_an_expired_token_lets_nobody_in(api: Place) -> None:
    issued = api.client.post("/v1/teams/default/sites/north/enrolment-tokens", json={"expires_in_s": 0.001})
    token = api.home / "expired.token"
    token.write_text(issued.json()["token"])

    said = enroll(api, "--token-file", str(token), code=TOKEN_REFUSED)

    assert "expired" in said


@pytest.mark.parametrize("token", [NOWHERE, NOWHERE[:-3], "sesame"])
def test_an_unknown_or_mistyped_token_is_refused_and_not_repeated(api: Place, token: str) -> None:
    said = enroll(api, "--token", token, code=TOKEN_REFUSED)

    assert token not in said


def test_a_refused_connection_is_named(api: Place) -> None:
    said = enroll(api, "--token", NOWHERE, url=f"http://127.0.0.1:{free_port()}", code=UNREACHABLE)

    assert "refused" in said


def test_an_address_without_an_api_is_named(api: Place) -> None:
    said = enroll(api, "--token", NOWHERE, url=f"{api.url}/somewhere/else", code=UNREACHABLE)

    assert "somewhere/else" in said or "API" in said


def test_a_certificate_that_nobody_trusts_is_named(api: Place, tmp_path: Path) -> None:
    with tls_server(tmp_path) as url:
        said = enroll(api, "--token", NOWHERE, url=url, code=UNREACHABLE)

    assert "certificate" in said.lower()


def test_a_second_process_on_one_state_directory_is_refused(api: Place) -> None:
    api.enroll("north", "single-1")
    agent = api.start_agent("single-1")

    said = api.command("edge-agent", "run", "--state-dir", "single-1", code=IN_USE)

    assert str(agent.pid) in said
    assert agent.is_alive


def test_two_agents_with_one_identity_are_locked(api: Place) -> None:
    api.enroll("north", "original-1")
    agent = api.start_agent("original-1")
    agent.terminate()
    agent.ended()
    shutil.copytree(api.home / "original-1", api.home / "copy-1")
    api.start_agent("original-1")

    clone = api.start("copy-1", "edge-agent", "run", "--state-dir", "copy-1")

    def is_locked() -> bool:
        return any(item["name"] == "original-1" and item["status"] == "locked" for item in api.get("agents")["items"])

    until(is_locked, "the agent is locked")
    until(lambda: "locked" in clone.said(), "the copy says why it gets no work")
