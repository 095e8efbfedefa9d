"""The way to the API breaks in every manner while a task runs: it goes on, and everything arrives in the end."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bad_line import BadLine, Behaviour
from tests.support.certificates import Authority
from tests.system.lab.plan import LINE_FAULTS
from tests.system.place import Place, open_place
from tests.system.programs import GaveUpError, free_port, until
from tests.system.test_crashes import DAGS, assert_nothing_is_lost

AGENT = "far-1"
SETTINGS = {
    "LEASEHOLD_API_POLL_WAIT_S": "1",
    "LEASEHOLD_API_RENEW_EVERY_S": "1",
    "LEASEHOLD_API_LOG_EVERY_S": "0.2",
    "LEASEHOLD_API_DISCONNECTED_AFTER_S": "5",
}
NOTICED = {name: fault for name, fault in LINE_FAULTS.items() if name not in {"delay", "reset uploads"}}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def tls(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """What the line's end at the site speaks; other certificates can be loaded into it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue(tmp_path_factory.mktemp("good")))
    return context


@pytest.fixture(scope="module")
def line(tls: ssl.SSLContext) -> Iterator[BadLine]:
    line = BadLine(free_port(), tls=tls)
    yield line
    line.close()


@pytest.fixture(scope="module")
def far(line: BadLine, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place whose one agent reaches its API over the line."""
    with open_place(tmp_path_factory.mktemp("far")) as place:
        authority.write(place.home / "ca.pem")
        place.env |= {"LEASEHOLD_AGENT_CA_FILE": str(place.home / "ca.pem"), "LEASEHOLD_AGENT_SLOTS": "4"}
        place.serve("--public-url", line.url, port=line.target, more=SETTINGS)
        place.make_site("north")
        place.enroll("north", AGENT, url=line.url)
        place.start_agent(AGENT)
        place.deploy("crashes", DAGS)
        yield place
        line.behave()


def said(place: Place, words: str) -> int:
    return next(program for program in place.programs if program.name == AGENT).said().count(words)


@pytest.mark.parametrize("fault", LINE_FAULTS)
def test_a_task_survives_a_line_with(fault: str, far: Place, line: BadLine, gate: Path) -> None:
    run = far.trigger("waiting", gate=str(gate))
    far.running(run, "patient")
    before = said(far, "link down") + said(far, "renewal failed")

    line.behave(LINE_FAULTS[fault])
    gate.touch()
    until(gate.with_suffix(".times").exists, "the task goes on to its end")
    if fault in NOTICED:
        until(lambda: said(far, "link down") + said(far, "renewal failed") > before, "the agent notices")
    line.behave()

    assert_nothing_is_lost(far, far.finished(run), gate)


def test_a_task_survives_an_expired_certificate(
    far: Place, line: BadLine, tls: ssl.SSLContext, authority: Authority, gate: Path, tmp_path: Path
) -> None:
    run = far.trigger("waiting", gate=str(gate))
    far.running(run, "patient")
    before = said(far, "certificate has expired")

    tls.load_cert_chain(authority.issue(tmp_path, is_expired=True))
    line.drop_all()
    gate.touch()
    until(lambda: said(far, "certificate has expired") > before, "the agent names the cause")
    tls.load_cert_chain(authority.issue(tmp_path))

    assert_nothing_is_lost(far, far.finished(run), gate)


def test_a_lease_that_was_answered_into_a_dead_connection_is_given_again(far: Place, line: BadLine, gate: Path) -> None:
    until(lambda: far.get("agents")["items"][0]["status"] == "connected", "the agent is there")

    gates = (gate.with_name(f"g{number}") for number in range(20))
    endings, gate = next(found for each in gates if (found := leased_unheard(far, line, each)))

    assert endings == ["lost", "success"]
    assert gate.with_suffix(".times").read_text() == "once "


def leased_unheard(far: Place, line: BadLine, gate: Path) -> tuple[list[str], Path] | None:
    """Have a task leased into a dead connection, and return how its attempts ended.

    None if no request for work was waiting at the API just then, or the last bytes before the line went dead had the
    lease after all. The lease itself lasts five minutes, far longer than this waits.
    """
    gate.touch()
    line.behave(Behaviour(black_hole=True))
    run = far.trigger("waiting", gate=str(gate))
    try:
        until(lambda: far.get(f"runs/{run}")["tasks"][0]["state"] == "running", "it is leased", patience_s=1.5)
    except GaveUpError:
        line.behave()
        far.finished(run)
        return None
    line.behave()
    endings = [attempt["ending"] for attempt in far.finished(run)["tasks"][0]["attempts"]]
    return None if endings == ["success"] else (endings, gate)


def test_an_agent_that_is_not_heard_of_is_shown_as_disconnected_and_comes_back(far: Place, line: BadLine) -> None:
    line.behave(Behaviour(black_hole=True))
    line.drop_all()
    until(lambda: far.get("agents")["items"][0]["status"] == "disconnected", "it is shown")
    line.behave()

    until(lambda: far.get("agents")["items"][0]["status"] == "connected", "it is back")
