"""How long and how many warm processes are kept. On the host zygote's command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmSettings:
    """What the agent's settings say of it."""

    idle_s: float = 600.0
    """After this long without a task a warm process ends; 0: there are none."""
    most: int = 8

    def as_arguments(self) -> list[str]:
        """Return them for a command line."""
        return ["--warm-idle-s", f"{self.idle_s:g}", "--warm-most", str(self.most)]


def from_arguments(arguments: Sequence[str]) -> WarmSettings | None:
    """Return what a command line says; None when it says something else."""
    match list(arguments):
        case []:
            return WarmSettings()
        case ["--warm-idle-s", idle, "--warm-most", most]:
            try:
                return WarmSettings(idle_s=float(idle), most=int(most))
            except ValueError:
                return None
        case _:
            return None
