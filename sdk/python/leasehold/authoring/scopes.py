"""Setups and teardowns among the tasks of a DAG, and what comes between them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from leasehold.authoring.mistakes import AuthoringError
from leasehold.authoring.trigger_rules import OF_TEARDOWNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from leasehold.authoring.nodes import Node


def of_a_teardown(*, fails_run: bool) -> dict[str, object]:
    """Return the fields of a teardown's entry in the manifest."""
    return {"role": "teardown", "trigger_rule": OF_TEARDOWNS, **({"fails_run": True} if fails_run else {})}


class Scopes(ABC):
    """The tasks of a DAG as setups and teardowns see them.

    Attributes:
        nodes: The tasks by id.
        open_scopes: The tasks added since each ``with setup() >> teardown():`` that is open, the outermost first.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.open_scopes: list[list[str]] = []

    @abstractmethod
    def wait_for(self, task: str, earlier: Iterable[str]) -> None:
        """Make a task wait for others of this DAG."""

    def make_setup(self, task: str) -> None:
        """Make a called task a setup."""
        if self.nodes[task].is_teardown:
            raise AuthoringError(f"{task!r} is a teardown, and can't be a setup too", "Use two tasks.")
        self.nodes[task].said["role"] = "setup"

    def make_teardown(self, task: str, *, fails_run: bool | None) -> None:
        """Make a called task a teardown; ``fails_run`` None: as it was."""
        node = self.nodes[task]
        if node.is_setup:
            raise AuthoringError(f"{task!r} is a setup, and can't be a teardown too", "Use two tasks.")
        if "trigger_rule" in node.options.given:
            raise AuthoringError(
                "a teardown has a trigger rule of its own", "Leave trigger_rule out.", place=node.options.place
            )
        was_said = bool(node.said.pop("fails_run", False))
        node.said.update(of_a_teardown(fails_run=was_said if fails_run is None else fails_run))

    def open_scope(self, teardown: str) -> None:
        """Begin to gather the tasks between a teardown's setups and the teardown."""
        if not self.nodes[teardown].is_teardown:
            raise AuthoringError(
                f"with needs a teardown, and {teardown!r} is none",
                "Write with make() >> drop():, where drop is a @teardown and make its @setup.",
            )
        self.open_scopes.append([])

    def close_scope(self, teardown: str, *, is_whole: bool) -> None:
        """Put what was gathered after the setups and before the teardown."""
        members = self.open_scopes.pop()
        if not is_whole:
            return
        inside = set(members)
        setups = [name for name in self.nodes[teardown].upstream if self.nodes[name].is_setup]
        waited_for = {upstream for name in members for upstream in self.nodes[name].upstream}
        for name in members:
            if not inside.intersection(self.nodes[name].upstream):
                self.wait_for(name, setups)
            if name not in waited_for:
                self.wait_for(teardown, [name])
