"""``edge-agent`` as an operator meets it: what each mistake is answered with, and with which exit code."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from leasehold_agent.agent_lock import exclusive
from leasehold_agent.cli import main
from leasehold_agent.exits import Exit
from tests.edge_agent.model_api import TOKEN, ModelApi

UNKNOWN = TOKEN.replace("A", "B")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


async def edge_agent(*arguments: str, stdin: str = "", **environ: str) -> Ended:
    """Run a command to its end: in this process, but for ``run``, which takes over signals and logging."""
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LEASEHOLD_AGENT_CONFIG": "/dev/null", **environ}
    ended = await (_process(arguments, environ) if arguments[0] == "run" else _here(arguments, stdin, environ))
    assert "Traceback" not in ended.err
    return ended


async def _process(arguments: tuple[str, ...], environ: dict[str, str]) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import sys; from leasehold_agent.cli import main; sys.exit(main())"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


async def _here(arguments: tuple[str, ...], stdin: str, environ: dict[str, str]) -> Ended:
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in "ab")
    with (
        mock.patch.dict(os.environ, environ, clear=True),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        async with asyncio.timeout(30):
            code = await asyncio.to_thread(_exit_code, arguments)
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return Ended(code, *texts)


def _exit_code(arguments: tuple[str, ...]) -> int:
    try:
        return main(arguments)
    except SystemExit as ended:  # how argparse ends
        return int(ended.code or 0)


@pytest.fixture
async def api() -> AsyncIterator[ModelApi]:
    async with ModelApi().serve() as model:
        yield model


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


async def test_enrolling_takes_the_token_from_standard_input_and_cannot_be_repeated(api: ModelApi, state: str) -> None:
    first = await edge_agent("enroll", api.url, "--token-file", "-", "--state-dir", state, stdin=TOKEN + "\n")
    second = await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", state)

    assert first.code == Exit.OK
    assert "site north" in first.out
    assert second.code == Exit.ALREADY_ENROLLED
    assert "enrolled already" in second.err
    files = files_under(state)
    assert not any(TOKEN.encode() in path.read_bytes() for path in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


async def test_a_mistyped_token_is_noticed_without_a_request(api: ModelApi, state: str) -> None:
    ended = await edge_agent("enroll", api.url, "--token", TOKEN[:-2], "--state-dir", state)

    assert ended.code == Exit.TOKEN_REFUSED
    assert "58 characters instead of 60" in ended.err
    assert api.requests == []


async def test_a_refused_token_is_named_by_its_public_half_and_the_same_key_may_try_the_next(
    api: ModelApi, state: str
) -> None:
    refused = await edge_agent("enroll", api.url, "--state-dir", state, LEASEHOLD_AGENT_ENROLMENT_TOKEN=UNKNOWN)
    pending = await edge_agent("run", "--state-dir", state)
    again = await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", state)

    assert refused.code == Exit.TOKEN_REFUSED
    assert "enr_0123456789ab was refused: the token is not known" in refused.err
    assert UNKNOWN not in refused.err
    assert pending.code == Exit.NOT_ENROLLED
    assert "did not finish" in pending.err
    assert again.code == Exit.OK


async def test_an_api_that_is_not_there_is_told_apart_by_what_is_wrong(state: str, unused_tcp_port: int) -> None:
    refused = await edge_agent("enroll", f"http://127.0.0.1:{unused_tcp_port}", "--token", TOKEN, "--state-dir", state)
    unknown = await edge_agent("enroll", "https://nowhere.invalid", "--token", TOKEN, "--state-dir", state)

    assert (refused.code, unknown.code) == (Exit.UNREACHABLE, Exit.UNREACHABLE)
    assert "connection refused" in refused.err
    assert "unknown host name" in unknown.err


async def test_a_url_with_a_path_or_another_program_is_not_sent_the_token(api: ModelApi, state: str) -> None:
    ended = await edge_agent("enroll", api.url + "/console", "--token", TOKEN, "--state-dir", state)

    assert ended.code == Exit.UNREACHABLE
    assert "not a Leasehold API's" in ended.err
    assert api.requests == []


@pytest.mark.parametrize("url", ["leasehold.example.com", "ftp://x", "https://", "http://leasehold.example.com"])
async def test_an_address_that_is_none_or_would_send_secrets_in_the_clear_is_refused(url: str, state: str) -> None:
    ended = await edge_agent("enroll", url, "--token", TOKEN, "--state-dir", state)

    assert ended.code == Exit.USAGE
    assert "https://" in ended.err


async def test_a_certificate_from_nowhere_is_a_tls_error_and_ca_file_cures_it(tmp_path: Path, state: str) -> None:
    certificate = self_signed(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)

    async def say_404(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(say_404, "127.0.0.1", 0, ssl=server_side) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        refused = await edge_agent("enroll", url, "--token", TOKEN, "--state-dir", state)
        trusted = await edge_agent("enroll", url, "--token", TOKEN, "--state-dir", state, "--ca-file", str(certificate))

    assert refused.code == trusted.code == Exit.UNREACHABLE
    assert "TLS error" in refused.err
    assert "--ca-file" in refused.err
    assert "no OAuth metadata" in trusted.err


async def test_a_ca_file_without_certificates_is_refused(tmp_path: Path, state: str) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    ended = await edge_agent(
        "enroll", "https://127.0.0.1:1", "--token", TOKEN, "--state-dir", state, "--ca-file", str(tmp_path / "ca.pem")
    )

    assert ended.code == Exit.USAGE
    assert "ca.pem" in ended.err


async def test_every_wrong_setting_is_named_at_once_with_its_source(tmp_path: Path, state: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('slots = 0\nlog_levle = "info"\n')

    ended = await edge_agent(
        "config", "--state-dir", state, LEASEHOLD_AGENT_CONFIG=str(file), LEASEHOLD_AGENT_KEY_STORE="vault"
    )

    assert ended.code == Exit.USAGE
    assert "3 settings" in ended.err
    assert f"slots = 0 (from {file})" in ended.err
    assert "did you mean log_level?" in ended.err
    assert "(from LEASEHOLD_AGENT_KEY_STORE)" in ended.err


async def test_config_shows_where_each_value_comes_from(tmp_path: Path, state: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('slots = 3\nname = "north-1"\n[labels]\nzone = "a"\n')

    ended = await edge_agent(
        "config", "--json", "--state-dir", state, LEASEHOLD_AGENT_CONFIG=str(file), LEASEHOLD_AGENT_SLOTS="5"
    )

    shown = json.loads(ended.out)
    assert shown["slots"] == {"value": 5, "from": "LEASEHOLD_AGENT_SLOTS"}
    assert shown["name"] == {"value": "north-1", "from": str(file)}
    assert shown["labels"]["value"] == {"zone": "a"}
    assert shown["state_dir"] == {"value": state, "from": "--state-dir"}
    assert shown["keep_attempts"]["from"] == "default"


async def test_a_configuration_file_that_was_named_must_be_there(state: str) -> None:
    ended = await edge_agent("status", "--state-dir", state, LEASEHOLD_AGENT_CONFIG="/nonexistent/agent.toml")

    assert ended.code == Exit.USAGE
    assert "does not exist" in ended.err


async def test_an_agent_that_was_never_enrolled_says_how(state: str) -> None:
    run = await edge_agent("run", "--state-dir", state)
    status = await edge_agent("status", "--json", "--state-dir", state)

    assert run.code == status.code == Exit.NOT_ENROLLED
    assert "edge-agent enroll" in run.err
    assert json.loads(status.out)["paused_because"] == ["this agent is not enrolled"]


async def test_a_second_agent_on_the_same_identity_is_refused(api: ModelApi, state: str) -> None:
    await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", state)

    with exclusive(Path(state)):
        ended = await edge_agent("run", "--state-dir", state)

    assert ended.code == Exit.IN_USE
    assert f"pid {os.getpid()}" in ended.err


async def test_a_key_store_that_cannot_be_opened_stops_the_agent_and_makes_no_new_key(
    api: ModelApi, state: str
) -> None:
    sealed_with = {"LEASEHOLD_AGENT_SEAL_KEY": "correct horse battery staple"}
    await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", state, **sealed_with)
    before = sealed_keys(state)
    api.requests.clear()

    ended = await edge_agent("run", "--state-dir", state)

    assert ended.code == Exit.KEY_STORE
    assert "sealed by environment" in ended.err
    assert api.requests == []
    assert sealed_keys(state) == before


async def test_attempts_that_are_not_here_are_said_not_to_be(state: str) -> None:
    for name in ("ti-1.1", "../../etc"):
        ended = await edge_agent("attempts", "show", name, "--state-dir", state)

        assert ended.code == Exit.NOT_FOUND


async def test_versions_and_help_are_there() -> None:
    version, as_json, usage = [
        await edge_agent(*arguments) for arguments in (["--version"], ["version", "--json"], ["--help"])
    ]

    assert version.out.startswith("edge-agent ")
    assert json.loads(as_json.out)["protocol"] == 1
    assert all(f" {code.value} " in usage.out.replace("\n", " ") for code in Exit)
    assert (await edge_agent("run", "--nonsense")).code == Exit.USAGE


def files_under(state: str) -> list[Path]:
    return [path for path in Path(state).rglob("*") if path.is_file()]


def sealed_keys(state: str) -> list[Path]:
    return sorted(Path(state, "keys").glob("*.sealed"))


def self_signed(folder: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1 into one PEM file."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


async def test_without_a_running_agent_the_command_rotates_the_key_itself(api: ModelApi, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", state)

    ended = await edge_agent("identity", "rotate", "--state-dir", state)
    shown = await edge_agent("identity", "show", "--state-dir", state)

    assert ended.code == Exit.OK, ended.err
    assert "has a new key" in ended.out
    assert "the agent makes itself a new key after" in shown.out
    assert len(api.proposed) == 1


async def test_a_rotation_that_fails_says_why_and_leaves_the_key(api: ModelApi, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", state)
    api.lock("/v1/agent/key")
    before = await edge_agent("identity", "show", "--state-dir", state)

    ended = await edge_agent("identity", "rotate", "--state-dir", state)

    assert ended.code == Exit.REFUSED
    assert "The key was not rotated: locked: a test." in ended.err
    assert (await edge_agent("identity", "show", "--state-dir", state)).out == before.out


async def test_an_identity_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    for action in ("show", "rotate"):
        ended = await edge_agent("identity", action, "--state-dir", str(tmp_path))
        assert ended.code == Exit.NOT_ENROLLED


async def test_enrolling_by_approval_shows_code_and_fingerprint_and_never_the_token(api: ModelApi, state: str) -> None:
    api.takes_approvals = True

    ended = await edge_agent("enroll", api.url, "--device", "--state-dir", state)
    shown = json.loads((await edge_agent("identity", "show", "--json", "--state-dir", state)).out)

    assert ended.code == Exit.OK, ended.err
    assert "WDJB-MJHT" in ended.err
    assert f"{api.url}/device" in ended.err
    assert shown["key_fingerprint"] in ended.err
    assert "Enrolled as" in ended.out
    assert not any(TOKEN.encode() in path.read_bytes() for path in files_under(state))
    assert TOKEN not in ended.out + ended.err


async def test_an_api_that_takes_no_approvals_is_said_to_take_none(api: ModelApi, state: str) -> None:
    ended = await edge_agent("enroll", api.url, "--device", "--state-dir", state)

    assert ended.code == Exit.REFUSED
    assert "--prepare" in ended.err


async def test_a_key_is_prepared_without_a_request_and_the_same_one_each_time(api: ModelApi, state: str) -> None:
    first, second = [await edge_agent("enroll", api.url, "--prepare", "--json", "--state-dir", state) for _ in range(2)]
    for_people = await edge_agent("enroll", api.url, "--prepare", "--state-dir", state)

    prepared = json.loads(first.out)
    assert first.out == second.out
    assert f"leasehold agents preregister {prepared['key_thumbprint']} --site SITE" in for_people.out
    assert api.requests == []


async def test_without_token_and_without_a_prepared_key_the_ways_in_are_named(api: ModelApi, state: str) -> None:
    ended = await edge_agent("enroll", api.url, "--state-dir", state)

    assert ended.code == Exit.USAGE
    assert all(way in ended.err for way in ("--token-file", "--device", "--prepare"))


@pytest.mark.parametrize("to", ["", "x", "SHA256:ABCD-EFGH", "A" * 44])
async def test_moving_to_what_is_no_thumbprint_changes_nothing(api: ModelApi, state: str, to: str) -> None:
    await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", state)
    api.requests.clear()

    ended = await edge_agent("identity", "move", "--to", to, "--state-dir", state)

    assert ended.code == Exit.USAGE
    assert "identity receive" in ended.err
    assert api.requests == []
