"""``edge-agent doctor``: each thing that it looks for, really broken; what it says has the cause and the cure."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from leasehold_agent.agent_lock import exclusive
from leasehold_agent.exits import Exit
from tests.edge_agent.model_api import TOKEN, ModelApi
from tests.edge_agent.test_agent import api, running, state, until
from tests.edge_agent.test_commands import edge_agent, self_signed

__all__ = ["api", "state"]  # fixtures


async def doctor(state: Path, *words: str, **environ: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code and the findings by what they are about."""
    ended = await edge_agent("doctor", "--json", "--state-dir", str(state), *words, **environ)
    assert ended.err == ""
    findings = {finding["check"]: finding for finding in json.loads(ended.out)}
    wrong = [finding for finding in findings.values() if finding["verdict"] != "ok" and not finding["cure"]]
    assert wrong == [], "every finding has a cure"
    assert ended.code == int(any(finding["verdict"] == "problem" for finding in findings.values()))
    return ended.code, findings


async def test_a_site_that_is_well_has_no_problem(api: ModelApi, state: Path) -> None:
    code, found = await doctor(state)

    assert code == 0
    assert {finding["verdict"] for finding in found.values()} <= {"ok", "warning"}
    assert found["sign-in"]["text"] == "the API gives this agent an access token"
    assert found["python"]["verdict"] == found["hosts"]["verdict"] == found["clock"]["verdict"] == "ok"
    assert all(found[check]["took_ms"] >= 0 for check in ("dns", "connection", "api", "fsync"))


async def test_it_works_before_enrolment_and_makes_nothing(api: ModelApi, tmp_path: Path) -> None:
    code, found = await doctor(tmp_path / "new", api.url)

    assert code == 0
    assert found["api"]["text"] == f"a Leasehold API ({api.url})"
    assert "not enrolled" in found["identity"]["text"]
    assert not (tmp_path / "new").exists()


async def test_without_an_address_it_asks_for_one(tmp_path: Path) -> None:
    code, found = await doctor(tmp_path)

    assert code == 0
    assert "doctor URL" in found["api"]["cure"]


async def test_it_asks_the_agent_that_runs_and_does_not_sign_in_beside_it(api: ModelApi, state: Path) -> None:
    async with running(state) as process:
        await until(lambda: bool(api.hellos) and (state / "agent.sock").exists())
        before = (state / "generation").read_text()
        code, found = await doctor(state)
        after = (state / "generation").read_text()

    assert code == 0, found
    assert f"pid {process.pid}" in found["process"]["text"]
    assert found["sign-in"]["text"] == "the running agent is connected"
    assert before == after


async def test_a_process_that_holds_the_state_directory_and_says_nothing_is_named(api: ModelApi, state: Path) -> None:
    with exclusive(state):
        _, found = await doctor(state)

    assert found["process"]["verdict"] == "warning"
    assert str(os.getpid()) in found["process"]["text"]


async def test_a_locked_agent_is_told_who_unlocks_it(api: ModelApi, state: Path) -> None:
    api.lock("/oauth/token")

    code, found = await doctor(state)

    assert code == 1
    assert "locked" in found["sign-in"]["text"]
    assert "unlock" in found["sign-in"]["cure"]


async def test_an_unknown_name_and_a_closed_port_are_told_apart(state: Path, unused_tcp_port: int) -> None:
    _, name = await doctor(state, "https://nowhere.invalid")
    _, port = await doctor(state, f"http://127.0.0.1:{unused_tcp_port}")

    assert name["dns"]["verdict"] == "problem"
    assert "nowhere.invalid" in name["dns"]["text"]
    assert port["connection"]["verdict"] == "problem"
    assert "api" not in port


async def test_an_address_that_would_send_secrets_in_the_clear_is_a_problem(state: Path) -> None:
    code, found = await doctor(state, "http://leasehold.example.com")

    assert code == 1
    assert "in the clear" in found["api"]["text"]


@asynccontextmanager
async def answering(answer: bytes, *, certificate: Path | None = None) -> AsyncGenerator[str]:
    """Serve one answer to everything, over TLS with a certificate."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        scheme = "https" if certificate else "http"
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


SIGN_IN_PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"


async def test_another_program_is_not_taken_for_the_api(state: Path) -> None:
    async with answering(SIGN_IN_PAGE) as url:
        code, found = await doctor(state, url)

    assert code == 1
    assert "not a Leasehold API" in found["api"]["text"]


async def test_a_private_authority_is_a_problem_that_ca_file_cures_and_its_end_is_near(
    state: Path, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path)
    async with answering(SIGN_IN_PAGE, certificate=certificate) as url:
        _, refused = await doctor(state, url)
        _, trusted = await doctor(state, url, "--ca-file", str(certificate))

    assert refused["tls"]["verdict"] == "problem"
    assert "--ca-file" in refused["tls"]["cure"]
    assert trusted["tls"]["verdict"] == "warning", "it ends tomorrow"
    assert "Renew" in trusted["tls"]["cure"]


async def test_a_wrong_clock_is_found(state: Path) -> None:
    body = b'{"issuer": "http://x", "registration_endpoint": "http://x", "token_endpoint": "http://x"}'
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Mon, 02 Jan 2023 10:00:00 GMT\r\n"
    async with answering(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body) as url:
        code, found = await doctor(state, url)

    assert found["clock"]["verdict"] == "warning"
    assert "ahead of" in found["clock"]["text"]
    assert found["api"]["verdict"] == "ok"
    del code


async def test_a_proxy_is_named_without_its_password(state: Path, unused_tcp_port: int) -> None:
    proxy = f"http://user:hunter2@127.0.0.1:{unused_tcp_port}"

    ended = await edge_agent(
        "doctor", "https://leasehold.example.com", "--state-dir", str(state), HTTPS_PROXY=proxy, https_proxy=proxy
    )

    assert ended.code == 1
    assert f"http://user:***@127.0.0.1:{unused_tcp_port}" in ended.out
    assert "hunter2" not in ended.out + ended.err


async def test_a_proxy_that_is_excluded_is_not_used(api: ModelApi, state: Path) -> None:
    excluded = {"http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"}

    code, found = await doctor(state, api.url, **excluded)

    assert code == 0
    assert "NO_PROXY" in found["proxy"]["text"]


async def test_a_key_store_that_can_not_be_opened_is_a_problem(api: ModelApi, tmp_path: Path) -> None:
    sealed = {"LEASEHOLD_AGENT_SEAL_KEY": "correct horse battery staple"}
    place = str(tmp_path / "sealed")
    await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", place, **sealed)

    code, found = await doctor(Path(place))

    assert code == 1
    assert "sealed by environment" in found["key"]["text"]


async def test_a_damaged_record_is_a_problem(api: ModelApi, state: Path) -> None:
    (state / "identity.json").write_text("{")

    ended = await edge_agent("doctor", api.url, "--state-dir", str(state))

    assert ended.code == 1
    assert "identity.json is damaged" in ended.out


async def test_too_little_room_is_a_problem(state: Path) -> None:
    code, found = await doctor(state, LEASEHOLD_AGENT_DISK_LOW_WATER_MB="100000000")

    assert code == 1
    assert "MiB free" in found["disk"]["text"]


async def test_a_state_directory_that_others_may_read_is_a_problem(api: ModelApi, state: Path) -> None:
    os.chmod(state, 0o755)  # noqa: PTH101 - one quick call

    code, found = await doctor(state)

    assert code == 1
    assert found["permissions"]["cure"] == f"Run: chmod 700 {state}"


async def test_an_interpreter_that_is_none_is_a_problem(api: ModelApi, state: Path, tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho 'No module named encodings' >&2\nexit 1\n")
    fake.chmod(0o755)

    code, found = await doctor(state, LEASEHOLD_AGENT_PYTHON=str(fake))

    assert code == 1
    assert "No module named encodings" in found["python"]["text"]


async def test_wrong_settings_are_a_finding_too(state: Path) -> None:
    code, found = await doctor(state, LEASEHOLD_AGENT_SLOTS="0")

    assert code == 1
    assert "LEASEHOLD_AGENT_SLOTS" in found["settings"]["text"]
    assert list(found) == ["settings"]


async def test_few_open_files_are_a_warning(api: ModelApi, state: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        _, found = await doctor(state)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert found["open files"]["verdict"] == "warning"
    assert "512" in found["open files"]["text"]


@pytest.mark.parametrize("words", [["doctor", "--nonsense"], ["doctor", "a", "b"]])
async def test_wrong_words_are_refused(words: list[str]) -> None:
    assert (await edge_agent(*words)).code == Exit.USAGE
