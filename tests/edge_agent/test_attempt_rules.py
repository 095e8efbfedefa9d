"""The agent's rules about attempts: slots, renewals, what tasks may ask, what a disk says after a crash."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from leasehold.runtime.rules.secret_answers import secrets_in
from leasehold_agent.attempts.directory import AttemptDirectories, AttemptDirectory, Surroundings, UnsafeAttemptIdError
from leasehold_agent.attempts.hostlink import is_newer
from leasehold_agent.attempts.roster import Held, Phase, Roster, Waiting
from leasehold_agent.attempts.task_questions import api_path, methods_of
from leasehold_agent.clock import utc_now
from leasehold_agent.delivery.delivered import Delivered, write_delivered
from leasehold_agent.errors import Trouble, UnavailableError
from leasehold_agent.health.reasons import Name
from leasehold_agent.host import directory as host_directory
from leasehold_agent.host.version import HOST_VERSION
from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.oauth import Granted
from leasehold_agent.link.renewal import renewal_every, take_renewal
from leasehold_agent.recovery import survey
from leasehold_protocol.v1.agents import AttemptState
from leasehold_protocol.v1.leases import Ending, EndingKind, OutcomeVerdict, Renewal, RenewalVerdict
from tests.edge_agent.model_api import shell_lease

AROUND = Surroundings(
    bundles_dir=Path("/bundles"),
    sdk_dir=Path("/sdk"),
    python=Path("/python"),
    sdk_js=Path("/js/index.js"),
    edge_agent=Path("/bin/edge-agent"),
)
ENDED = Ending(kind=EndingKind.SUCCESS, ended_at=utc_now())


async def no_token() -> Granted:
    raise UnavailableError(Trouble.TIMEOUT)


def hold(path: Path, *, length_s: float = 60.0, phase: Phase = Phase.RUNNING) -> Held:
    return Held(
        directory=AttemptDirectory(path),
        phase=phase,
        length_s=length_s,
        deadline=1000.0,
        task_token=CachedToken(no_token),
    )


def test_slots_promised_to_one_request_are_asked_for_by_no_other() -> None:
    roster = Roster(4)
    roster.add(hold(Path("ti-1.1")))

    promised = roster.reserve()

    assert promised == 3
    assert roster.free == 0
    roster.release(promised)
    assert roster.free == 3


def test_an_attempt_that_only_has_to_be_delivered_takes_no_slot() -> None:
    roster = Roster(1)
    held = hold(Path("ti-1.1"))
    roster.add(held)

    roster.move(held, Phase.DELIVERING)

    assert roster.free == 1


def test_a_paused_agent_asks_for_nothing_and_says_why_until_every_reason_is_gone() -> None:
    roster = Roster(4)

    roster.pause(Name.DISK, "disk: 3 MiB free")
    roster.pause(Name.API_PAUSE, "paused by the API")
    roster.resume(Name.DISK)

    assert roster.free == 0
    assert roster.paused_because == ["paused by the API"]
    roster.resume(Name.API_PAUSE)
    assert roster.free == 4


def test_the_sites_ceiling_lowers_the_slots() -> None:
    roster = Roster(8)
    roster.set_ceiling(2)

    assert roster.free == 2


def test_renewals_follow_the_shortest_lease() -> None:
    assert renewal_every([], 20) == 20
    assert renewal_every([hold(Path("a.1"), length_s=300), hold(Path("b.1"), length_s=12)], 20) == 4
    assert renewal_every([hold(Path("a.1"), length_s=0.1)], 20) == 1


def test_a_renewal_counts_from_when_it_was_asked_for_and_never_shortens() -> None:
    held = hold(Path("ti-1.1"))

    take_renewal(held, Renewal(attempt="ti-1.1", verdict=RenewalVerdict.RENEWED, length_s=60), asked_at=990)
    assert held.deadline == 1050
    take_renewal(held, Renewal(attempt="ti-1.1", verdict=RenewalVerdict.RENEWED, length_s=60), asked_at=900)

    assert held.deadline == 1050
    assert held.stop is None


def test_a_cancelled_lease_and_a_lost_one_stop_the_attempt_each_in_its_way() -> None:
    cancelled, lost = hold(Path("a.1")), hold(Path("b.1"))

    take_renewal(cancelled, Renewal(attempt="a.1", verdict=RenewalVerdict.CANCELLED, reason="by an admin"), asked_at=0)
    take_renewal(lost, Renewal(attempt="b.1", verdict=RenewalVerdict.LOST), asked_at=0)

    assert cancelled.stop is not None
    assert (cancelled.stop.kind, cancelled.stop.reason) == ("cancelled", "by an admin")
    assert lost.stop is not None
    assert lost.stop.kind == "lease_expired"


def test_an_attempt_that_has_ended_does_not_mind_losing_its_lease() -> None:
    ended = hold(Path("a.1"))
    ended.has_ended.set()

    take_renewal(ended, Renewal(attempt="a.1", verdict=RenewalVerdict.LOST), asked_at=0)

    assert ended.stop is None


@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("/v1/connections/plant_db", "/v1/task/connections/plant_db"),
        ("/v1/variables/a/b:c", "/v1/task/variables/a/b:c"),
        ("/v1/xcoms/return_value?task=read&map_index=-1", "/v1/task/xcoms/read/return_value?map_index=-1"),
        ("/v1/xcoms/a%2Fb?task=read&map_index=2", "/v1/task/xcoms/read/a/b?map_index=2"),
        ("/v1/xcoms/return_value?map_index=-1", None),
        ("/v1/xcoms/..%2F..%2Fagent?task=read", None),
        ("/v1/xcoms/x?task=..%2F..", None),
        ("/v1/agent/leases", None),
        ("/v1/connections/../agent/leases", None),
        ("/v1/connections/%2e%2e/agent/leases", None),
        ("/v1/connections/", None),
        ("https://elsewhere/v1/connections/x", None),
    ],
)
def test_tasks_reach_their_own_routes_of_the_api_and_no_other(asked: str, route: str | None) -> None:
    assert api_path(asked) == route


def test_what_a_connection_keeps_secret_is_named_for_masking() -> None:
    body = {
        "host": "db.example.com",
        "login": "reader",
        "password": "pw",
        "extra": {"api_key": "abc", "sslmode": "require", "dsn": "postgres://long", "list": [{"token": "t0k"}], "n": 1},
    }

    assert secrets_in("/v1/connections/plant_db", body) == ["pw", "abc", "postgres://long", "t0k"]


def test_variables_are_masked_when_their_name_says_secret() -> None:
    assert secrets_in("/v1/variables/smtp_password", {"value": "hunter2"}) == ["hunter2"]
    assert secrets_in("/v1/variables/threshold", {"value": "0.5"}) == []
    assert secrets_in("/v1/xcoms/a/b", {"value": "x"}) == []


@pytest.fixture
def directories(tmp_path: Path) -> AttemptDirectories:
    made = AttemptDirectories(tmp_path / "attempts")
    made.prepare()
    return made


def create(directories: AttemptDirectories, attempt: str) -> AttemptDirectory:
    directory = directories.of(attempt)
    directory.create(shell_lease(attempt, "true"), AROUND, received_at=utc_now(), deadline_boottime_s=5.0)
    return directory


def test_a_lease_on_disk_has_no_token_and_what_its_host_needs(directories: AttemptDirectories) -> None:
    directory = create(directories, "ti-1.1")

    text = (directory.path / "lease.json").read_text()
    facts = directory.lease_facts()
    assert "task-token" not in text
    assert "task_token" not in text
    assert facts["deadline_boottime_s"] == 5.0
    own = {"sdk_js": "/js/index.js", "edge_agent": "/bin/edge-agent"}
    assert facts["runtime"] == {"name": "python", "python": "/python", "sdk_path": "/sdk"} | own
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert directory.title() == "sensors.measure"


@pytest.mark.parametrize("attempt", ["../x.1", "a/b.1", "", ".hidden.1", "x" * 300 + ".1"])
def test_an_id_that_would_leave_the_folder_is_refused(directories: AttemptDirectories, attempt: str) -> None:
    with pytest.raises(UnsafeAttemptIdError):
        directories.of(attempt)


def test_after_a_crash_the_disk_says_what_runs_what_ended_and_what_is_lost(directories: AttemptDirectories) -> None:
    running, ended, lost, refused, covered = (create(directories, f"ti-{n}.1") for n in range(5))
    for directory in (ended, refused, covered):
        directory.write_ending(ENDED)
    write_delivered(refused.path, Delivered(outcome=OutcomeVerdict.REFUSED))
    write_delivered(covered.path, Delivered(outcome=OutcomeVerdict.RECORDED))
    (directories.root / "notes.txt").write_text("left by a person")
    with (running.path / "host.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        found = survey(directories)

    assert {one.directory.attempt: one.state for one in [*found.running, *found.waiting]} == {
        running.attempt: AttemptState.RUNNING,
        ended.attempt: AttemptState.ENDED,
        lost.attempt: AttemptState.LOST,
    }
    assert found.refused == [refused]
    assert found.covered == [covered]


def test_a_lock_that_nobody_holds_is_no_life(directories: AttemptDirectories) -> None:
    directory = create(directories, "ti-1.1")
    (directory.path / "host.lock").touch()

    assert directory.state() is AttemptState.LOST


def test_no_host_begins_while_an_attempt_is_written_off(directories: AttemptDirectories) -> None:
    directory = create(directories, "ti-1.1")
    late_host = host_directory.AttemptDirectory(directory.path)

    with directory.seized() as is_seized:
        with pytest.raises(host_directory.NotStartedError) as refused:
            late_host.lock()
        directory.write_ending(ENDED)

    assert is_seized
    assert refused.value.code == "running"
    with pytest.raises(host_directory.NotStartedError, match="has ended"):
        late_host.lock()


def test_an_attempt_with_a_living_host_is_not_seized(directories: AttemptDirectories) -> None:
    directory = create(directories, "ti-1.1")
    with (directory.path / "host.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with directory.seized() as is_seized:
            assert not is_seized


def test_the_backlog_is_named_to_the_api_the_newest_first() -> None:
    roster = Roster(1)
    roster.backlog.extend(Waiting(f"ti-{n}.1", AttemptState.ENDED) for n in range(3))

    assert [one.attempt for one in roster.on_disk()] == ["ti-2.1", "ti-1.1", "ti-0.1"]


def test_what_of_the_backlog_is_under_way_is_named_to_the_api_until_it_is_let_go() -> None:
    roster = Roster(1)
    roster.backlog.extend(Waiting(f"ti-{n}.1", AttemptState.ENDED) for n in range(3))

    taken = roster.take_waiting(2)
    assert [one.attempt for one in roster.on_disk()] == ["ti-2.1", "ti-1.1", "ti-0.1"]
    assert roster.names == {"ti-0.1", "ti-1.1", "ti-2.1"}
    roster.let_go(taken)

    assert [one.attempt for one in roster.on_disk()] == ["ti-2.1"]


@pytest.mark.parametrize(
    ("version", "newer"),
    [("0.0.9", False), (HOST_VERSION, False), ("0.10.0", True), ("9.0.0", True), ("next", True)],
)
def test_a_host_is_newer_by_its_numbers(version: str, *, newer: bool) -> None:
    assert is_newer(version) is newer


def test_an_ending_is_written_once(directories: AttemptDirectories) -> None:
    directory = create(directories, "ti-1.1")
    directory.write_ending(ENDED)
    directory.write_ending(Ending(kind=EndingKind.LOST, ended_at=utc_now()))

    ending = directory.ending()
    assert ending is not None
    assert ending.kind is EndingKind.SUCCESS


def test_a_half_removed_directory_is_no_attempt_and_goes_at_the_next_start(directories: AttemptDirectories) -> None:
    (directories.root / ".gone-ti-1.1").mkdir()

    assert list(directories) == []
    directories.prepare()
    assert list(directories.root.iterdir()) == []


def test_an_identity_token_is_asked_for_by_its_own_route_and_is_a_secret() -> None:
    assert api_path("/v1/id-token") == "/v1/task/id-token"
    assert methods_of("/v1/id-token") == ("POST",)
    assert "POST" not in methods_of("/v1/connections/plant_db")
    assert api_path("/v1/id-token/more") is None
    assert secrets_in("/v1/id-token", {"token": "aaaa.bbbb.cccc", "audience": "x"}) == ["aaaa.bbbb.cccc"]


def test_what_a_reference_stood_for_is_a_secret_under_any_name() -> None:
    connection = {
        "host": "db",
        "login": "v-reader-1",
        "password": "pw-1",
        "extra": {},
        "secrets": ["v-reader-1", "pw-1"],
    }

    assert secrets_in("/v1/connections/plant_db", connection) == ["pw-1", "v-reader-1"]
    assert secrets_in("/v1/variables/limit", {"value": "from-vault", "secrets": ["from-vault"]}) == ["from-vault"]
    assert secrets_in("/v1/variables/api_token", {"value": ["a-b-c", "d-e"], "secrets": ["a-b-c"]}) == ["a-b-c", "d-e"]
    assert secrets_in("/v1/xcoms/rows?task=x", {"value": 1, "secrets": ["no"]}) == []
