"""``shell`` and ``program``: steps that are programs, in any language."""

from __future__ import annotations

from leasehold.authoring.graph import current_graph
from leasehold.authoring.mistakes import AuthoringError, author_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal, Unpack

    from leasehold.authoring.calls import Arguments
    from leasehold.authoring.expanding import Partial
    from leasehold.authoring.graph import Result
    from leasehold.authoring.nodes import Node
    from leasehold.authoring.options import TaskOptions

    ResultFrom = Literal["last_line", "text", "json", "nothing"]


class Shell:
    """What ``shell`` is."""

    def __call__(
        self,
        line: str,
        *,
        id: str | None = None,  # noqa: A002 - the word authors use
        env: Mapping[str, object] | None = None,
        result: ResultFrom = "last_line",
        **options: Unpack[TaskOptions],
    ) -> Result:
        """Add a line for the shell to the DAG: ``shell("gzip -9 < {{ params.file }}")``.

        Results of other tasks go in by ``env={"ROWS": rows}``, where no quoting can go wrong.

        Args:
            line: What ``sh -c`` runs; ``{{ … }}`` is rendered first.
            id: The task's id (default ``shell``).
            env: More environment variables: text stays, other values arrive as JSON.
            result: Which part of standard output is the task's result.
            options: See ``TaskOptions``.

        Raises:
            AuthoringError: if it is used outside a DAG's body, or an option can't be what it was set to.
        """
        return _add(_Said("shell", [line], use_shell=True, given_id=id, env=env, result=result, options=options))

    def partial(
        self,
        line: str,
        *,
        id: str | None = None,  # noqa: A002 - the word authors use
        env: Mapping[str, object] | None = None,
        result: ResultFrom = "last_line",
        **options: Unpack[TaskOptions],
    ) -> Partial:
        """Return a line for the shell to be mapped: ``shell.partial('gzip "$FILE"').expand(FILE=find())``.

        The names in ``expand`` are environment variables, and ``{{ item.FILE }}`` in templates.
        """
        return _partial(_Said("shell", [line], use_shell=True, given_id=id, env=env, result=result, options=options))


class Program:
    """What ``program`` is."""

    def __call__(
        self,
        argv: Sequence[object],
        *,
        id: str | None = None,  # noqa: A002 - the word authors use
        env: Mapping[str, object] | None = None,
        result: ResultFrom = "last_line",
        **options: Unpack[TaskOptions],
    ) -> Result:
        """Add a program to the DAG: ``program(["ffmpeg", "-i", video, "out.mp4"], timeout="1h")``, without any shell.

        Args:
            argv: The program and its arguments: text (``{{ … }}`` is rendered), results, parameters, any JSON value.
            id: The task's id (default: the program's name).
            env: More environment variables: text stays, other values arrive as JSON.
            result: Which part of standard output is the task's result.
            options: See ``TaskOptions``.

        Raises:
            AuthoringError: if it is used outside a DAG's body, or an option can't be what it was set to.
        """
        return _add(_of_argv(argv, id, env, result, options))

    def partial(
        self,
        argv: Sequence[object],
        *,
        id: str | None = None,  # noqa: A002 - the word authors use
        env: Mapping[str, object] | None = None,
        result: ResultFrom = "last_line",
        **options: Unpack[TaskOptions],
    ) -> Partial:
        """Return a program to be mapped: ``program.partial(["gzip", "{{ item.FILE }}"]).expand(FILE=find())``.

        The names in ``expand`` are environment variables, and ``{{ item.FILE }}`` in templates.
        """
        return _partial(_of_argv(argv, id, env, result, options))


shell = Shell()
program = Program()


class _Said:
    """What an author said of a program."""

    def __init__(
        self,
        default_id: str,
        argv: list[object],
        *,
        use_shell: bool,
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
                "shell(…) and program(…) belong in the body of a @dag function.",
            )
        if result not in ("last_line", "text", "json", "nothing"):
            raise AuthoringError(f"result={result!r} is unknown", 'It may be "last_line", "text", "json" or "nothing".')
        self.name = task_id(given_id or _as_id(default_id))
        self.id_was_given = bool(given_id)
        self.argv = argv
        self.use_shell = use_shell
        self.env = {_env_name(key): value for key, value in (env or {}).items()}
        self.result = result
        self.options = Options(options, runtime="program", place=author_place())

    def node(self, found: Arguments, taken: Mapping[str, object], is_spread: bool) -> Node:
        """Return its node; ``taken`` are variables of a mapped program's item."""
        from leasehold.authoring.nodes import Node

        env = {key: found.express(value, f"env[{key!r}]", self.name) for key, value in self.env.items()}
        work: dict[str, object] = {
            "kind": "program",
            "argv": [found.express(item, f"argv[{index}]", self.name) for index, item in enumerate(self.argv)],
            "shell": self.use_shell,
            "env": {**env, **taken},
            "result": self.result,
            **({"spread": True} if is_spread else {}),
        }
        return Node(name=self.name, id_was_given=self.id_was_given, options=self.options, work=work, task=None)


def _of_argv(
    argv: Sequence[object],
    given_id: str | None,
    env: Mapping[str, object] | None,
    result: str,
    options: Mapping[str, object],
) -> _Said:
    if isinstance(argv, str) or not argv:
        raise AuthoringError("program takes a list", 'Write program(["ls", "-l"]), or shell("ls -l") for a shell line.')
    first = argv[0] if isinstance(argv[0], str) and "{{" not in argv[0] else "program"
    name = first.replace("\\", "/").rpartition("/")[2]
    return _Said(name, list(argv), use_shell=False, given_id=given_id, env=env, result=result, options=options)


def _add(said: _Said) -> Result:
    from leasehold.authoring.calls import Arguments

    graph = current_graph()
    if graph is None:
        raise AssertionError(said.name)
    if said.options.map_index_template is not None:
        raise AuthoringError(
            f"{said.name!r} has a map_index_template and is one task",
            "Write shell.partial(…).expand(…), or leave it out.",
        )
    found = Arguments(graph)
    return graph.add(said.node(found, {}, False), found.results)


def _partial(said: _Said) -> Partial:
    from leasehold.authoring.expanding import Partial

    def check(names: list[str]) -> None:
        for name in names:
            _env_name(name)

    return Partial(said.name, said.env, said.node, said.options, check)


def _as_id(name: str) -> str:
    """Return a task id made from a program's name."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_.-") else "_" for letter in name)[
        :120
    ]


def _env_name(name: object) -> str:
    if isinstance(name, str) and name.isascii() and name.isidentifier():
        return name
    raise AuthoringError(f"env: {name!r} can't name an environment variable", "Use A-Z a-z 0-9 _, no digit first.")
