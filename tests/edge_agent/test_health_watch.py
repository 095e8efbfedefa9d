"""What the agent does about its health: reasons come and go by themselves, and only what may go is removed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leasehold_agent.attempts.bundles import Bundles
from leasehold_agent.attempts.directory import AttemptDirectories
from leasehold_agent.attempts.roster import Roster, Waiting
from leasehold_agent.clock import ServerClock
from leasehold_agent.collection import Collector
from leasehold_agent.config import Settings
from leasehold_agent.health import hosts as host_rules
from leasehold_agent.health_watch import HealthWatch
from leasehold_agent.host.spawn import HostNotStartedError, HostZygote
from leasehold_agent.identity.key_store import StoreUnreachableError
from leasehold_agent.settings_in_force import SettingsInForce
from leasehold_protocol.v1.agents import AttemptState


class Hosts:
    """Starts hosts, or does not."""

    broken = False

    async def start_host(self, attempt_dir: Path, *, team: str) -> int:
        if self.broken:
            raise HostNotStartedError("unusable", f"no process can be made for {attempt_dir.name}")
        return 1

    async def probe(self) -> None:
        if self.broken:
            raise OSError("Resource temporarily unavailable")


class World:
    """A state directory and who watches over it."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.roster, self.hosts, self.clock = Roster(4), Hosts(), ServerClock()
        self.key_store_error: Exception | None = None
        self.directories = AttemptDirectories(state_dir / "attempts")
        self.directories.prepare()
        self.bundles = Bundles(state_dir / "bundles", _no_bundle)
        self.collector = Collector(self.directories, self.bundles, self.roster, lambda: 100)
        self.watch = HealthWatch(
            SettingsInForce(Settings(state_dir=state_dir, disk_low_water_mb=0)),
            self.roster,
            self.collector,
            hosts=self.hosts,
            clock=self.clock,
            check_key_store=self._check_key_store,
        )

    async def _check_key_store(self) -> None:
        if self.key_store_error:
            raise self.key_store_error

    def attempt(self, name: str, *, bundle: str, delivered: dict[str, object] | None) -> Path:
        path = self.state_dir / "attempts" / name
        path.mkdir()
        (path / "lease.json").write_text(json.dumps({"bundle": bundle}))
        (path / "output.log").write_bytes(b"x" * 100)
        (path / "ending.json").write_text("{}")
        (path / "blob").write_bytes(b"x" * 100_000)
        if delivered is not None:
            (path / "delivered.json").write_text(
                json.dumps({"log_offset": 0, "metric_seq": 0, "xcom_seq": 0} | delivered)
            )
        bundle_dir = self.state_dir / "bundles" / bundle
        bundle_dir.mkdir(parents=True, exist_ok=True)
        (bundle_dir / "code.py").write_bytes(b"x" * 50_000)
        return path

    def names(self) -> list[str]:
        return [reason.name.value for reason in self.roster.reasons]


async def _no_bundle(sha256: str) -> AsyncIterator[bytes]:
    raise AssertionError(sha256)
    yield b""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_two_hosts_that_do_not_start_keep_work_out_until_one_could(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_rules, "TRY_AGAIN_S", 0.0)
    world.hosts.broken = True
    for n in range(2):
        with pytest.raises(HostNotStartedError):
            await world.watch.start_host(Path(f"ti-{n}.1"), team="plant")
    held = world.names(), world.roster.free
    await world.watch.look()
    still = world.names()
    world.hosts.broken = False
    await world.watch.look()

    assert held == (["hosts"], 0)
    assert still == ["hosts"]
    assert (world.names(), world.roster.free) == ([], 4)


async def test_a_real_zygote_is_probed_and_can_be_used_afterwards() -> None:
    hosts = HostZygote()

    await hosts.probe()
    first = hosts.pid
    await hosts.probe()

    assert first is not None
    assert hosts.pid != first
    await hosts.close()


async def test_a_key_store_that_is_away_and_a_wrong_clock_are_told_and_keep_no_work_out(world: World) -> None:
    world.key_store_error = StoreUnreachableError("the keyring is locked")
    world.clock.ahead_s = 300
    await world.watch.look_at_key_store()
    await world.watch.look()
    told = world.names(), world.roster.free
    world.key_store_error, world.clock.ahead_s = None, 0
    await world.watch.look_at_key_store()
    await world.watch.look()

    assert told == (["key_store", "clock"], 4)
    assert world.names() == []


def test_room_is_made_from_delivered_attempts_then_from_unused_bundles_and_from_nothing_else(world: World) -> None:
    recorded: dict[str, object] = {"outcome": "recorded", "log_offset": 100}
    delivered = world.attempt("ti-1.1", bundle="a" * 64, delivered=recorded)
    half = world.attempt("ti-2.1", bundle="b" * 64, delivered={"outcome": "recorded", "log_offset": 50})
    ended = world.attempt("ti-3.1", bundle="c" * 64, delivered=None)
    refused = world.attempt("ti-4.1", bundle="d" * 64, delivered={"outcome": "refused"})

    first = world.collector.make_room(1)
    after_one = delivered.exists(), (world.state_dir / "bundles" / ("a" * 64)).exists()
    world.collector.make_room(10**12)

    assert first >= 100_000
    assert after_one == (False, True)
    assert half.exists()
    assert ended.exists()
    assert refused.exists()
    assert sorted(path.name[0] for path in (world.state_dir / "bundles").iterdir()) == ["b", "c", "d"]


async def test_what_is_measured_is_what_is_there(world: World) -> None:
    world.attempt("ti-1.1", bundle="a" * 64, delivered=None)

    await world.watch.look()

    vitals = world.watch.vitals
    assert vitals is not None
    assert 150_000 <= vitals.spool_bytes <= 400_000
    assert vitals.rss_bytes > 1_000_000
    assert vitals.undelivered_attempts == 0, "nobody holds it"


async def test_what_waits_for_its_turn_to_be_delivered_is_counted_too(world: World) -> None:
    waiting = world.directories.of("ti-7.1")
    waiting.path.mkdir()
    (waiting.path / "output.log").write_bytes(b"x" * 5000)
    (waiting.path / "ending.json").write_text("{}")
    world.roster.backlog.append(Waiting(waiting.attempt, AttemptState.ENDED))

    await world.watch.look(at_once=True)

    vitals = world.watch.vitals
    assert vitals is not None
    assert (vitals.undelivered_attempts, vitals.undelivered_log_bytes) == (1, 5000)
    assert vitals.oldest_undelivered_s is not None
