"""What an author says of something that is started at a site, a program or a container, and the task it becomes."""

from __future__ import annotations

from leasehold.authoring.graph import current_graph
from leasehold.authoring.mistakes import AuthoringError, author_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from leasehold.authoring.calls import Arguments
    from leasehold.authoring.expanding import Partial
    from leasehold.authoring.graph import Result
    from leasehold.authoring.nodes import Node

    ResultFrom = Literal["last_line", "text", "json", "nothing"]


class Started:
    """What an author said of it.

    Attributes:
        kind: The manifest's word for its work, and the runtime that does it.
        more: Fields of the work that only this kind has.
    """

    def __init__(
        self,
        default_id: str,
        argv: list[object],
        *,
        kind: Literal["program", "container"],
        more: dict[str, object],
        given_id: str | None,
        env: Mapping[str, object] | None,
        result: str,
        options: Mapping[str, object],
    ) -> None:
        from leasehold.authoring.options import Options
        from leasehold.authoring.tasks import task_id

        if current_graph() is None:
            raise AuthoringError(
                f"{default_id!r} is called outside a DAG",
                "shell(…), program(…) and container(…) belong in the body of a @dag function.",
            )
        if result not in ("last_line", "text", "json", "nothing"):
            raise AuthoringError(
                f"result={result!r} is unknown", 'It may be "last_line", "text", "json" or "nothing".', word="result"
            )
        self.name = task_id(given_id or as_id(default_id))
        self.id_was_given = bool(given_id)
        self.argv = argv
        self.kind = kind
        self.more = more
        self.env = {_env_name(key): value for key, value in (env or {}).items()}
        self.result = result
        self.options = Options(options, runtime=kind, place=author_place())

    def node(self, found: Arguments, taken: Mapping[str, object], is_spread: bool) -> Node:
        """Return its node; ``taken`` are variables of a mapped one's item."""
        from leasehold.authoring.nodes import Node

        env = {key: found.express(value, f"env[{key!r}]", self.name) for key, value in self.env.items()}
        word = "command" if self.kind == "container" else "argv"
        work: dict[str, object] = {
            "kind": self.kind,
            "argv": [found.express(item, f"{word}[{index}]", self.name) for index, item in enumerate(self.argv)],
            **self.more,
            "env": {**env, **taken},
            "result": self.result,
            **({"spread": True} if is_spread else {}),
        }
        return Node(name=self.name, id_was_given=self.id_was_given, options=self.options, work=work, task=None)

    def add(self) -> Result:
        """Add it to the DAG as one task."""
        from leasehold.authoring.calls import Arguments

        graph = current_graph()
        if graph is None:
            raise AssertionError(self.name)
        if self.options.map_index_template is not None:
            raise AuthoringError(
                f"{self.name!r} has a map_index_template and is one task",
                "Write shell.partial(…).expand(…), or leave it out.",
            )
        found = Arguments(graph)
        return graph.add(self.node(found, {}, False), found.results)

    def partial(self) -> Partial:
        """Return it with its ``expand`` to come."""
        from leasehold.authoring.expanding import Partial

        def check(names: list[str]) -> None:
            for name in names:
                _env_name(name)

        return Partial(self.name, self.env, self.node, self.options, check)


def as_id(name: str) -> str:
    """Return a task id made from the name of a program or an image."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_.-") else "_" for letter in name)[
        :120
    ]


def _env_name(name: object) -> str:
    if isinstance(name, str) and name.isascii() and name.isidentifier():
        return name
    raise AuthoringError(f"env: {name!r} can't name an environment variable", "Use A-Z a-z 0-9 _, no digit first.")
