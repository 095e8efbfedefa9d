"""What the service costs while it has nothing to do: memory, processor time, and bytes a day, either way of the link.

A day is made up of what passes all the time, which is counted, and of what passes rarely, which is counted by its kind
and added as often as a day has it: renewals every 565 s, access tokens at half their life. Nothing else is periodic,
but for the look for a newer version, once a day, where a root of trust came with the installation.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.binary.service import STATE, Site, cpu_s, open_site, process_named
from benchmarks.figures import Aim, Figure, Floor
from benchmarks.floors import Floors
from benchmarks.forwarder import Count
from leasehold_agent.chores import HEALTH_EVERY_S
from leasehold_api.oauth.tokens.access_tokens import LIFETIME_S
from tests.system.programs import until

DAY_S = 86400
MIB = 1024 * 1024
SETTLED_S = 10.0
"""After so long an idle agent has done what follows a start."""
_POLLS, _POLL_S = 2, 50.0
"""Polls are counted whole: each waits so long for work."""
_KEEP_ALIVE_S = 20.0
_RENEWALS, _TOKENS = "/v1/agent/renewals", "/oauth/token"
_LIMITS = {"poll": 4.0, "stream": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rare:
    """Something that passes now and then."""

    what: str
    bytes: float
    every_s: float

    @property
    def bytes_a_day(self) -> float:
        """What it comes to."""
        return self.bytes * DAY_S / self.every_s


def measure(tree: Path, home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure both ways of the link; ``quick`` without the wait for whole polls."""
    del floors  # its own: a Python that does nothing either
    home.mkdir()
    figures: list[Figure] = []
    for way in ("poll", "stream"):
        with open_site(tree, home / way, way=way) as site:
            figures += _measure(site, way, quick=quick)
    return figures


def _measure(site: Site, way: str, *, quick: bool) -> list[Figure]:
    agent, _ = site.service.start()
    until(lambda: site.place.last_seen(STATE), "the agent says hello")
    time.sleep(SETTLED_S)
    zygote = process_named(site.place, "host-zygote")
    memory = _memory(agent.pid, zygote) if way == "poll" else []
    token = site.forwarder.counted_of(_TOKENS)
    began = _begin(site, way)
    used, before = cpu_s(agent.pid) + cpu_s(zygote), _frequent(site)
    _wait(site, way, quick=quick)
    seconds, passed = time.monotonic() - began, _frequent(site) - before
    cpu = (cpu_s(agent.pid) + cpu_s(zygote) - used) / seconds * 100
    rare = _rare(site, way, token)
    a_day = passed.bytes / seconds * DAY_S + sum(one.bytes_a_day for one in rare)
    added = ", ".join(f"{one.what} ({one.bytes:.0f} bytes every {one.every_s:.0f} s)" for one in rare)
    frequent = f"{passed.requests} polls" if way == "poll" else f"keep-alives every {_KEEP_ALIVE_S:.0f} s"
    over = f"{way}; over {seconds:.0f} s"
    return [
        *memory,
        Figure(
            name=f"idle on the wire, {way}",
            value=a_day / MIB,
            unit="MiB/day",
            aim=Aim(value=_LIMITS[way]),
            note=f"{over} with {frequent}; added by kind: {added}; before TLS",
        ),
        Figure(
            name=f"idle CPU, {way}",
            value=cpu,
            unit="% of a core",
            aim=Aim(value=0.1),
            note=f"{over}, agent and zygote, to a hundredth of a second",
        ),
    ]


def _memory(agent: int, zygote: int) -> list[Figure]:
    idle = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    time.sleep(0.5)
    floor = Floor(name="bare Python", value=_mapped_mb(idle.pid)["Rss"])
    idle.communicate()
    ours, zygotes = _mapped_mb(agent), _mapped_mb(zygote)
    note = f"of which its own: {ours['Pss']:.1f} (Pss)"
    return [
        Figure(name="idle agent, RSS", value=ours["Rss"], unit="MB", floor=floor, aim=Aim(value=52), note=note),
        Figure(name="host zygote, RSS", value=zygotes["Rss"], unit="MB", floor=floor),
    ]


def _mapped_mb(pid: int) -> dict[str, float]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kib) * 1024 / 1e6 for name, kib in re.findall(r"^(Rss|Pss): +(\d+) kB$", text, re.MULTILINE)}


def _frequent(site: Site) -> Count:
    """Return what passed but for the kinds that are counted by themselves."""
    of = site.forwarder.counted_of
    return site.forwarder.counted - of(_RENEWALS) - of(_TOKENS)


def _begin(site: Site, way: str) -> float:
    if way == "poll":
        _await_request(site)
    return time.monotonic()


def _wait(site: Site, way: str, *, quick: bool) -> None:
    if quick:
        time.sleep(_KEEP_ALIVE_S)
    elif way == "stream":
        time.sleep(6 * _KEEP_ALIVE_S)
    else:
        for _ in range(_POLLS):
            _await_request(site)


def _await_request(site: Site) -> None:
    if not site.forwarder.wait_for_requests(site.forwarder.counted.requests + 1, seconds=2 * _POLL_S):
        raise RuntimeError("the agent does not poll")


def _rare(site: Site, way: str, token: Count) -> list[Rare]:
    """Have a renewal made, by news of the agent's, and weigh it; the token is the one of the start.

    It is the end of a pause that is weighed: like an idle agent's renewal it has no reason to tell.
    """
    for command in ("pause", "resume"):
        before = _told(site, command)
    renewal = site.forwarder.counted_of(_RENEWALS) - before
    # A poll every 50 s wants a token at any time; on a stream only a renewal does.
    token_every_s = LIFETIME_S / 2 if way == "poll" else max(LIFETIME_S / 2, HEALTH_EVERY_S)
    return [
        Rare(what="a renewal", bytes=renewal.bytes / renewal.requests, every_s=HEALTH_EVERY_S),
        Rare(what="a token", bytes=token.bytes, every_s=token_every_s),
    ]


def _told(site: Site, command: str) -> Count:
    """Have the API told of a command by a renewal; return what had passed of renewals before."""
    before = site.forwarder.counted_of(_RENEWALS)
    site.service.command(command)
    until(lambda: site.forwarder.counted_of(_RENEWALS).requests > before.requests, f"the API knows of {command}")
    time.sleep(1)  # the rest of its answer
    return before
