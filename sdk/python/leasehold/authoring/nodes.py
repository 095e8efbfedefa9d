"""One task of a DAG while the DAG is being written down."""

from __future__ import annotations

from leasehold.authoring.mistakes import author_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from leasehold.authoring.functions import TaskFunction
    from leasehold.authoring.options import Options


class Node:
    """One task of the DAG."""

    __slots__ = ("group", "id", "id_was_given", "mapped", "options", "place", "said", "task", "upstream", "work")

    def __init__(
        self,
        *,
        name: str,
        id_was_given: bool,
        options: Options,
        work: dict[str, object],
        task: TaskFunction[..., object] | None,
    ) -> None:
        self.id = name
        self.id_was_given = id_was_given
        self.options = options
        self.work = work
        self.mapped: dict[str, object] | None = None
        """What it has an instance for each of."""
        self.task = task
        self.place = author_place()
        self.upstream: dict[str, tuple[str, int]] = {}
        """Task id → where the author said so. A dict for its order: the same file compiles to the same bytes."""
        self.group: str | None = None
        """The path of the task group that it is in."""
        self.said: dict[str, object] = {}
        """Fields of the manifest's task entry that are no options: what follows from where and how it was called."""

    @property
    def entry(self) -> dict[str, object]:
        """The fields of the manifest's task entry beside its id, its work and its upstream."""
        return {**self.options.entry, **self.said}

    @property
    def is_setup(self) -> bool:
        """It makes what others need."""
        return self.said.get("role") == "setup"

    @property
    def is_teardown(self) -> bool:
        """It takes away what setups made."""
        return self.said.get("role") == "teardown"
