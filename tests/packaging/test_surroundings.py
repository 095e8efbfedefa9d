"""The frozen agent and what a site has around it: certificates, proxies, signals, and other people's libraries."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.packaging.paths import NO_PROGRAMS
from tests.support.bad_line import BadLine
from tests.support.certificates import Authority
from tests.system.place import Place, open_place
from tests.system.programs import until

pytestmark = pytest.mark.timeout(300)

HOURS = """\
version = 1

[hours]
timezone = "Europe/Berlin"
windows = [{ start = "0 22 * * mon-fri", duration = "8h" }]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(tmp_path_factory.mktemp("place")) as place:
        place.serve()
        place.make_site("north")
        yield place


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Path]:
    folder = tmp_path_factory.mktemp("authority")
    authority = Authority()
    authority.write(folder / "ca.pem")
    return authority, folder


@pytest.fixture(scope="module")
def over_tls(place: Place, authority: tuple[Authority, Path]) -> Iterator[str]:
    """The API's address behind a certificate of a private authority."""
    ca, folder = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca.issue(folder))
    line = BadLine(int(place.url.rpartition(":")[2]), tls=context)
    yield line.url
    line.close()


class Proxy:
    """Takes what a proxy is asked, and wants a password."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection:
                    if head := connection.recv(65536).decode():
                        self.asked.append(head.partition("\r\n")[0])
                        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


def doctor(binary: Path, url: str, home: Path, *flags: str, **more: str) -> dict[str, str]:
    """Return what the frozen doctor finds, by the names of the findings."""
    command = [str(binary / "edge-agent"), "doctor", url, "--json", "--state-dir", str(home / "state"), *flags]
    env = {**NO_PROGRAMS, "HOME": str(home), **more}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    found = json.loads(ended.stdout)
    return {one["check"]: f"{one['verdict']}: {one['text']}" for one in found}


def test_the_systems_own_certificates_count_and_no_others(
    binary: Path, over_tls: str, authority: tuple[Authority, Path], tmp_path: Path
) -> None:
    known = str(authority[1] / "ca.pem")

    assert doctor(binary, over_tls, tmp_path)["tls"].startswith("problem: ")
    # As an administrator adds one to the machine's store, which OpenSSL is pointed to here.
    assert "trusted by the system" in doctor(binary, over_tls, tmp_path, SSL_CERT_FILE=known)["tls"]


def test_a_private_authority_can_be_named(
    binary: Path, over_tls: str, authority: tuple[Authority, Path], tmp_path: Path
) -> None:
    known = str(authority[1] / "ca.pem")

    assert doctor(binary, over_tls, tmp_path, "--ca-file", known)["api"].startswith("ok: ")
    assert doctor(binary, over_tls, tmp_path, LEASEHOLD_AGENT_CA_FILE=known)["api"].startswith("ok: ")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "LEASEHOLD_AGENT_PROXY"])
def test_a_proxy_of_the_environment_or_the_settings_is_asked(
    binary: Path, proxy: Proxy, tmp_path: Path, variable: str
) -> None:
    found = doctor(binary, "https://api.example.com", tmp_path, **{variable: proxy.url})

    assert "CONNECT api.example.com:443 HTTP/1.1" in proxy.asked
    assert "407" in found["api"]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "LEASEHOLD_AGENT_PROXY"])
def test_what_no_proxy_names_is_reached_without_one(
    binary: Path, proxy: Proxy, over_tls: str, authority: tuple[Authority, Path], tmp_path: Path, variable: str
) -> None:
    around = {variable: proxy.url, "NO_PROXY": "127.0.0.1", "LEASEHOLD_AGENT_CA_FILE": str(authority[1] / "ca.pem")}

    assert doctor(binary, over_tls, tmp_path, **around)["api"].startswith("ok: ")
    assert proxy.asked == []


def test_a_signal_to_the_whole_group_is_one_signal(binary: Path, place: Place) -> None:
    token = place.issue_token("north")
    place.command(str(binary / "edge-agent"), "enroll", place.url, "--token-file", token, "--state-dir", "signalled")
    argv = (str(binary / "edge-agent"), "run", "--state-dir", "signalled")
    agent = place.start("signalled", *argv, more={**NO_PROGRAMS, "TMPDIR": "/nonexistent"})
    until(lambda: "connected" in agent.said(), "the agent is connected")

    os.killpg(agent.pid, signal.SIGTERM)

    assert agent.ended() == 0
    assert agent.said().count("draining: running attempts finish") == 1
    assert "cancelling" not in agent.said()


def test_what_a_task_brings_along_comes_before_what_the_agent_has(binary: Path, tmp_path: Path) -> None:
    for name in ("idna", "typing_extensions", "leasehold_protocol"):
        (tmp_path / f"{name}.py").write_text("WHOSE = 'the task\\'s'\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += (
        "import idna, typing_extensions, leasehold_protocol as p; print(idna.WHOSE, typing_extensions.WHOSE, p.WHOSE)"
    )

    said = subprocess.check_output([str(binary / "edge-python"), "-I", "-S", "-c", code], env=NO_PROGRAMS, text=True)

    assert said == "the task's the task's the task's\n"


def test_working_hours_are_understood(binary: Path, tmp_path: Path) -> None:
    """They are cron expressions: APScheduler's triggers, which nothing imports by name."""
    (tmp_path / "policy.toml").write_text(HOURS)
    command = [str(binary / "edge-agent"), "policy", "check", str(tmp_path / "policy.toml")]

    ended = subprocess.run(command, env={**NO_PROGRAMS, "HOME": str(tmp_path)}, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_it_says_what_it_is_made_of(binary: Path) -> None:
    def said(*arguments: str) -> str:
        return subprocess.check_output([str(binary / "edge-agent"), *arguments], env=NO_PROGRAMS, text=True)

    build = json.loads(said("version", "--json"))["build"]
    listed = {one["name"]: one for one in json.loads(said("licences", "--json"))}
    bill = json.loads((binary / "_internal/about/sbom.cdx.json").read_text())

    assert build["architecture"] == os.uname().machine
    assert {"CPython", "cryptography", "httpx", "leasehold-agent", "pydantic_core", "pyinstaller"} <= set(listed)
    assert all(one["texts"] for one in listed.values())
    assert not [one for one in listed if "readline" in one or "gdbm" in one]
    assert {one["name"] for one in bill["components"]} == set(listed)
    assert "Permission is hereby granted" in said("licences", "H11")


def test_the_oldest_glibc_is_what_its_libraries_need(binary: Path) -> None:
    build = json.loads((binary / "_internal/about/build.json").read_text())
    found = subprocess.check_output(["objdump", "-T", binary / "edge-agent"], text=True)
    oldest = tuple(map(int, build["glibc"].split(".")))

    needed = {tuple(map(int, one.split("."))) for one in re.findall(r"GLIBC_(\d+\.\d+)", found)}
    assert max(needed) <= oldest
