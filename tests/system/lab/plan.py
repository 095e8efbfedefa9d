"""What breaks, and when: drawn from a seed, so that it can be played again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.support.bad_line import BAD_GATEWAY, INTERNAL_ERROR, LOGIN_PAGE, TOO_MANY, Behaviour

LINE_FAULTS: dict[str, Behaviour] = {
    "delay": Behaviour(delay_s=0.3),
    "cut": Behaviour(cut=True, share=0.5),
    "reset": Behaviour(reset=True, share=0.5),
    "reset uploads": Behaviour(reset_upload_after=20_000),
    "black hole": Behaviour(black_hole=True),
    "half answers": Behaviour(half_answer=True, share=0.5),
    "garbled answers": Behaviour(corrupt=True, share=0.5),
    "500": Behaviour(answer=INTERNAL_ERROR, share=0.7),
    "429": Behaviour(answer=TOO_MANY, share=0.7),
    "502 in HTML": Behaviour(answer=BAD_GATEWAY, share=0.7),
    "login page": Behaviour(answer=LOGIN_PAGE, share=0.7),
}
PROCESSES = ("api", "agent", "host", "zygote", "task")
LONGEST_S = 1.5
"""A fault lasts this long at most: far less than the lease, so that no lease runs out by it alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    at_s: float
    """After the runs were started."""
    does: str
    """``kill``, ``stop`` (SIGSTOP, later SIGCONT) or ``line``."""
    what: str
    """Which kind of process, or which of ``LINE_FAULTS``."""
    which: int
    """Which of them, should there be several: the remainder counts."""
    lasts_s: float
    """Until what was killed is started again, what was stopped goes on, the line is good."""

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.at_s:.2f} s: {self.does} {self.what} for {self.lasts_s:.2f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One experiment."""

    seed: int
    runs: int
    cancel_at_s: float
    faults: list[Fault]


def plan(seed: int, *, lasts_s: float = 4.0) -> Plan:
    """Return the plan of a seed."""
    chance = random.Random(seed)
    faults = [
        Fault(
            at_s=chance.uniform(0, lasts_s),
            does=(does := chance.choice(["kill", "kill", "stop", "line", "line"])),
            what=chance.choice(list(LINE_FAULTS) if does == "line" else PROCESSES),
            which=chance.randrange(1000),
            lasts_s=chance.uniform(0.05, LONGEST_S),
        )
        for _ in range(chance.randint(2, 7))
    ]
    return Plan(
        seed=seed,
        runs=chance.randint(1, 2),
        cancel_at_s=chance.uniform(0.2, lasts_s),
        faults=sorted(faults, key=lambda fault: fault.at_s),
    )
