"""How fast an agent delivers what gathered on its disk in an outage, with how much memory, and how soon it is back."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks.figures import Aim, Figure, percentile
from benchmarks.floors import Floors
from tests.system.place import Place, open_place
from tests.system.programs import Program, until

AGENT = "bench-1"
PER_RUN = 500
SOURCE = f'''\
"""Many tasks, none of which is ever run here."""

import time
from pathlib import Path

from leasehold import dag, task


@task(max_offline="7d")
def nothing() -> None:
    pass


@dag
def many():
    for number in range({PER_RUN}):
        nothing.override(id=f"nothing_{{number}}")()


@task
def wait_for(gate: str) -> None:
    print("waits", flush=True)
    while not Path(gate).exists():
        time.sleep(0.02)


@dag
def open_end(gate: str):
    wait_for(gate)
'''
OUTAGE = timedelta(hours=24)


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:  # noqa: ARG001 - all parts are called alike
    """Put finished attempts on an agent's disk, start it, and watch; then take the API away a few times."""
    home.mkdir()
    attempts, outages = (1000, 3) if quick else (10_000, 12)
    with open_place(home) as place:
        api = place.serve()
        place.make_site("bench")
        place.enroll("bench", AGENT)
        place.deploy("backlog", SOURCE)
        for _ in range(attempts // PER_RUN):
            place.trigger("many")
        api.terminate()
        api.ended()
        for attempt in _lease_all(home / "api" / "leasehold.db"):
            _write_attempt(home / AGENT / "attempts" / attempt)
        api = _serve_again(place)
        return [*_deliver(place, api, attempts), *_restarts(place, 3 if quick else 12), *_outages(place, api, outages)]


def _deliver(place: Place, api: Program, attempts: int) -> list[Figure]:
    began = time.monotonic()
    agent = _start(place)
    until(lambda: "connected" in agent.said(), "the agent is there", patience_s=60)
    connected_s = time.monotonic() - began
    folder, resting = place.home / AGENT / "attempts", _rss_mib(agent.pid)
    most, cpu_before = resting, (_cpu_s(api.pid), _cpu_s(agent.pid))

    def is_empty() -> bool:
        nonlocal most
        most = max(most, _rss_mib(agent.pid))
        return not any(folder.iterdir())

    until(is_empty, "everything is delivered", patience_s=600)
    took_s = time.monotonic() - began - connected_s
    cpu = [after - before for before, after in zip(cpu_before, (_cpu_s(api.pid), _cpu_s(agent.pid)), strict=True)]
    note = f"{attempts:,} finished attempts on disk, each with log, metrics and a result"
    return [
        Figure(name="start with a full disk → connected", value=connected_s, unit="s", note=note),
        Figure(
            name="delivery after an outage",
            value=attempts / took_s,
            unit="attempts/s",
            aim=Aim(value=500, at_most=False),
            note=note,
        ),
        Figure(name="… CPU per attempt, API", value=cpu[0] / attempts * 1000, unit="ms"),
        Figure(name="… CPU per attempt, agent", value=cpu[1] / attempts * 1000, unit="ms"),
        Figure(name="memory that delivery takes", value=most - resting, unit="MiB", note="highest RSS − at hello"),
    ]


def _restarts(place: Place, times: int) -> list[Figure]:
    """Kill the agent while a task runs, start it again, and measure until it follows the task's host."""
    gate = place.home / "gate"
    run = place.trigger("open_end", gate=str(gate))
    place.running(run, "wait_for")
    back: list[float] = []
    for _ in range(times):
        next(program for program in reversed(place.programs) if program.name == AGENT).kill()
        began, seen = time.monotonic(), _times_found(place)
        _start(place)
        until(partial(_found_again, place, seen), "the agent follows its host", patience_s=60)
        back.append(time.monotonic() - began)
    gate.touch()
    place.finished(run)
    note = f"{times} restarts after a kill, from the start of the process: the interpreter and all imports are in it"
    return [
        Figure(
            name="agent restart → re-attached, p95", value=percentile(back, 0.95), unit="s", aim=Aim(value=1), note=note
        )
    ]


def _found_again(place: Place, times: int) -> bool:
    return _times_found(place) > times


def _times_found(place: Place) -> int:
    return (place.home / "logs" / f"{AGENT}.log").read_text().count("attempt found on disk")


def _outages(place: Place, api: Program, times: int) -> list[Figure]:
    """Take the API away for some seconds and measure from its first good answer to the agent's next contact."""
    contact: list[float] = []
    for number in range(times):
        api.kill()
        time.sleep(6 + number % 4)
        seen = _times_back(place)
        api = _serve_again(place)
        back = time.monotonic()
        until(partial(_is_back, place, seen), "the agent is back", patience_s=60)
        contact.append(time.monotonic() - back)
    return [
        Figure(
            name="API back → first contact, p95",
            value=percentile(contact, 0.95),
            unit="s",
            aim=Aim(value=3),
            note=f"{times} outages of 6 to 9 s",
        )
    ]


def _is_back(place: Place, times: int) -> bool:
    return _times_back(place) > times


def _times_back(place: Place) -> int:
    return (place.home / "logs" / f"{AGENT}.log").read_text().count("link up")


def _serve_again(place: Place) -> Program:
    return place.serve(port=int(place.url.rpartition(":")[2]))


def _start(place: Place) -> Program:
    return place.start(AGENT, "edge-agent", "run", "--state-dir", AGENT, "--slots", "8")


def _lease_all(database: Path) -> list[str]:
    """Let the agent hold a lease on everything, as if it had been given each before the outage."""
    with closing(sqlite3.connect(database)) as connection, connection:
        agent, site = connection.execute("SELECT id, site_id FROM agents").fetchone()
        leased_at = time.time() - OUTAGE.total_seconds()
        connection.execute(
            "UPDATE task_instances SET state = 'running', epoch = 1, agent_id = ?, site_id = ?, expires_at = ?",
            (agent, site, leased_at + 7 * 86400),
        )
        connection.execute(
            "INSERT INTO attempts (task_instance_id, epoch, try_number, agent_id, site_id, leased_at, assumed,"
            " log_complete) SELECT id, 1, 1, agent_id, site_id, ?, 0, 0 FROM task_instances",
            (leased_at,),
        )
        return [f"{row[0]}.1" for row in connection.execute("SELECT id FROM task_instances")]


def _write_attempt(directory: Path) -> None:
    """Write what a host leaves of a finished attempt."""
    ended = datetime.now(UTC) - OUTAGE
    log = "".join(f"{ended.isoformat()} stdout line {number}\n" for number in range(20)).encode()
    points: list[dict[str, object]] = [
        {"seq": seq, "at": ended.isoformat(), "name": "rows", "kind": "gauge", "value": seq, "tags": {}}
        for seq in (1, 2, 3)
    ]
    value = b'{"rows": 3}'
    entry = {"seq": 1, "key": "return_value", "file": "1.json", "size": len(value)}
    ending = {"kind": "success", "exit_code": 0, "started_at": ended.isoformat(), "ended_at": ended.isoformat()}
    ending |= {"log_size": len(log), "log_sha256": hashlib.sha256(log).hexdigest(), "metric_seq": 3, "xcom_seq": 1}
    (directory / "xcoms").mkdir(parents=True)
    for folder in ("work", "tmp"):
        (directory / folder).mkdir()
    (directory / "lease.json").write_text(json.dumps({"attempt": directory.name, "length_s": 7 * 86400}))
    (directory / "host.lock").touch()
    (directory / "output.log").write_bytes(log)
    (directory / "metrics.ndjson").write_text("".join(json.dumps(point) + "\n" for point in points))
    (directory / "xcoms" / "1.json").write_bytes(value)
    entry |= {"sha256": hashlib.sha256(value).hexdigest()}
    (directory / "xcoms" / "index.ndjson").write_text(json.dumps(entry) + "\n")
    (directory / "ending.json").write_text(json.dumps(ending))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _rss_mib(pid: int) -> float:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0
