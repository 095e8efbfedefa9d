"""``shell`` and ``program``: steps that are programs, in any language."""

from __future__ import annotations

from leasehold.authoring.graph import current_graph
from leasehold.authoring.mistakes import AuthoringError, author_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal, Unpack

    from leasehold.authoring.graph import Result
    from leasehold.authoring.options import TaskOptions

    ResultFrom = Literal["last_line", "text", "json", "nothing"]


def shell(
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
    return _add("shell", [line], use_shell=True, given_id=id, env=env, result=result, options=dict(options))


def program(
    argv: Sequence[object],
    *,
    id: str | None = None,  # noqa: A002 - the word authors use
    env: Mapping[str, object] | None = None,
    result: ResultFrom = "last_line",
    **options: Unpack[TaskOptions],
) -> Result:
    """Add a program to the DAG: ``program(["ffmpeg", "-i", video, "out.mp4"], timeout="1h")``. No shell is involved.

    Args:
        argv: The program and its arguments: text (``{{ … }}`` is rendered), results, parameters, any JSON value.
        id: The task's id (default: the program's name).
        env: More environment variables: text stays, other values arrive as JSON.
        result: Which part of standard output is the task's result.
        options: See ``TaskOptions``.

    Raises:
        AuthoringError: if it is used outside a DAG's body, or an option can't be what it was set to.
    """
    if isinstance(argv, str) or not argv:
        raise AuthoringError("program takes a list", 'Write program(["ls", "-l"]), or shell("ls -l") for a shell line.')
    first = argv[0] if isinstance(argv[0], str) and "{{" not in argv[0] else "program"
    name = first.replace("\\", "/").rpartition("/")[2]
    return _add(name, list(argv), use_shell=False, given_id=id, env=env, result=result, options=dict(options))


def _add(
    default_id: str,
    argv: list[object],
    *,
    use_shell: bool,
    given_id: str | None,
    env: Mapping[str, object] | None,
    result: str,
    options: dict[str, object],
) -> Result:
    from leasehold.authoring.calls import Arguments
    from leasehold.authoring.nodes import Node
    from leasehold.authoring.options import Options
    from leasehold.authoring.tasks import task_id

    graph = current_graph()
    if graph is None:
        raise AuthoringError(
            f"{default_id!r} is called outside a DAG", "shell(…) and program(…) belong in the body of a @dag function."
        )
    if result not in ("last_line", "text", "json", "nothing"):
        raise AuthoringError(f"result={result!r} is unknown", 'It may be "last_line", "text", "json" or "nothing".')
    name = task_id(given_id or _as_id(default_id))
    found = Arguments(graph)
    work: dict[str, object] = {
        "kind": "program",
        "argv": [found.express(item, f"argv[{index}]", name) for index, item in enumerate(argv)],
        "shell": use_shell,
        "env": {_env_name(key): found.express(value, f"env[{key!r}]", name) for key, value in (env or {}).items()},
        "result": result,
    }
    checked = Options(options, runtime="program", place=author_place())
    return graph.add(Node(name=name, id_was_given=bool(given_id), options=checked, work=work, task=None), found.results)


def _as_id(name: str) -> str:
    """Return a task id made from a program's name."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_.-") else "_" for letter in name)[
        :120
    ]


def _env_name(name: object) -> str:
    if isinstance(name, str) and name.isascii() and name.isidentifier():
        return name
    raise AuthoringError(f"env: {name!r} can't name an environment variable", "Use A-Z a-z 0-9 _, no digit first.")
