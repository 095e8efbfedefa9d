"""The counter that shows clones: it goes up with every client assertion, and is on disk before it is used."""

from __future__ import annotations

from pathlib import Path

from leasehold_agent.durable import write_durably
from leasehold_agent.errors import Trouble, UnavailableError
from leasehold_agent.exits import Exit, OperatorError


def next_generation(state_dir: Path) -> int:
    """Return the next number, made durable first: a crash may skip numbers, never repeat one.

    Raises:
        UnavailableError: the disk did not take it; later it may.
        OperatorError: the counter is damaged. Starting again at 1 would look like a clone and lock the agent.
    """
    path = state_dir / "generation"
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        text = "0"
    except UnicodeDecodeError:
        text = ""
    if not text.strip().isdigit():
        raise OperatorError(
            Exit.KEY_STORE,
            f"{path} is damaged.",
            "Restore the state directory from a backup, or enrol this agent again.",
        )
    number = int(text) + 1
    try:
        write_durably(path, f"{number}\n".encode())
    except OSError as error:
        raise UnavailableError(Trouble.OWN_DISK, f"{path}: {error.strerror}") from error
    return number
