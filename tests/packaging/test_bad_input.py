"""What a site does to the frozen agent: each ends in a message with its cure, and what ran before still runs.

Wrong architecture and old glibc: test_single_file.py. Full disks: there, test_deb.py, test_frozen_update.py, which has
the broken update, too.
"""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold_agent.exits import Exit
from tests.packaging.paths import NO_PROGRAMS
from tests.support.bad_line import BadLine
from tests.support.certificates import Authority
from tests.support.proxy_server import ProxyServer
from tests.system.place import Place, open_place
from tests.system.programs import Program

pytestmark = pytest.mark.timeout(300)

KILLED = -9


class Site:
    """A machine with the frozen agent on it."""

    def __init__(self, binary: Path, place: Place) -> None:
        self.program = str(binary / "edge-agent")
        self.place = place
        self.settings = place.home / "agent.toml"
        place.env |= {**NO_PROGRAMS, "LEASEHOLD_AGENT_CONFIG": str(self.settings)}
        self.settings.write_text("slots = 2\n")

    def __call__(self, *words: str, code: int = 0, **more: str) -> str:
        """Type one command, in an environment with ``more``."""
        before, self.place.env = self.place.env, self.place.env | more
        try:
            return self.place.command(self.program, *words, code=code)
        finally:
            self.place.env = before

    def enroll(self, name: str, *flags: str, url: str = "", code: int = 0, token: str = "", **more: str) -> str:
        token = token or self.token()
        where = ("--name", name, "--state-dir", name, *flags)
        return self("enroll", url or self.place.url, "--token-file", token, *where, code=code, **more)

    def token(self) -> str:
        return self.place.issue_token("north")

    def start(self, name: str) -> Program:
        self.enroll(name)
        return self.place.start_agent(name, command=self.program)

    def runs(self, name: str) -> bool:
        """Tell whether the agent that was started is there and takes work."""
        status = json.loads(self("status", "--json", "--state-dir", name))
        return status["running"] and not [one for one in status["reasons"] if one["blocks"]]


@pytest.fixture(scope="module")
def site(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_place(tmp_path_factory.mktemp("place")) as place:
        place.serve()
        place.make_site("north")
        yield Site(binary, place)


@pytest.fixture(scope="module")
def over_tls(site: Site) -> Iterator[tuple[str, str]]:
    """The API's address behind a certificate of a private authority, and that authority's file."""
    authority, folder = Authority(), site.place.home
    authority.write(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue(folder))
    line = BadLine(int(site.place.url.rpartition(":")[2]), tls=context)
    yield line.url, str(folder / "ca.pem")
    line.close()


def test_an_unreadable_configuration_is_named_and_the_agent_that_runs_keeps_what_it_has(site: Site) -> None:
    site.start("configured")
    before = site.settings.read_text()
    site.settings.write_text("slots = [")

    fresh = site("run", "--state-dir", "another", code=Exit.USAGE)
    reload = site("reload", "--state-dir", "configured", code=Exit.USAGE)

    for said in (fresh, reload):
        assert str(site.settings) in said
        assert "orrect" in said
    site.settings.write_text(before)
    assert site.runs("configured")


def test_a_key_store_that_vanished_is_said_by_the_next_start_only(site: Site) -> None:
    agent = site.start("keyless")
    shutil.rmtree(site.place.home / "keyless/keys")

    assert site.runs("keyless")
    agent.kill()
    agent.ended()
    said = site("run", "--state-dir", "keyless", code=Exit.KEY_STORE)

    assert "lock this agent in the API and enrol it anew" in said


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
def test_a_clock_in_1970_is_the_cause_and_no_token_is_spent(site: Site, over_tls: tuple[str, str]) -> None:
    url, ca_file = over_tls
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    early = {"LD_PRELOAD": str(library), "FAKETIME": "@1970-01-02 00:00:00", "TZ": "UTC"}

    said = site("doctor", url, "--ca-file", ca_file, "--state-dir", "early", code=1, **early)
    enrolling = site.enroll("early", "--ca-file", ca_file, url=url, code=Exit.UNREACHABLE, **early)

    assert "Correct this machine's clock." in said
    assert "timedatectl" in enrolling


def test_a_proxy_that_needs_a_password_is_named_with_how_to_give_it(site: Site) -> None:
    proxy = ProxyServer(user="site", password="Geheim-7")
    wrong = {"HTTPS_PROXY": f"http://site:Geheim-8@127.0.0.1:{proxy.port}", "NO_PROXY": ""}

    said = site.enroll("proxied", url="https://api.example.com", code=Exit.UNREACHABLE, **wrong)
    proxy.close()

    assert "HTTPS_PROXY=http://NAME:PASSWORD@host:port" in said
    assert "Geheim" not in said


def test_a_private_authority_is_named_with_where_it_goes(site: Site, over_tls: tuple[str, str]) -> None:
    url, _ = over_tls

    said = site.enroll("private", url=url, code=Exit.UNREACHABLE)

    assert "--ca-file" in said


def test_an_interrupted_enrolment_is_typed_again_with_the_same_token(site: Site) -> None:
    token = site.token()

    site.enroll("cut-off", token=token, code=KILLED, LEASEHOLD_FAULT_POINT="enrol.registered")
    started = site("run", "--state-dir", "cut-off", code=Exit.NOT_ENROLLED)
    again = site.enroll("cut-off", token=token)

    assert "edge-agent enroll" in started
    assert "Enrolled as cut-off of site north" in again
    assert [agent["name"] for agent in site.place.get("agents")["items"]].count("cut-off") == 1
