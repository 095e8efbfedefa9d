"""``shell`` and ``program``: steps that are programs, in any language."""

from __future__ import annotations

from leasehold.authoring.mistakes import AuthoringError
from leasehold.authoring.started import Started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from leasehold.authoring.expanding import Partial
    from leasehold.authoring.graph import Result
    from leasehold.authoring.options import TaskOptions
    from leasehold.authoring.started import ResultFrom


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
        return _of_line(line, id, env, result, options).add()

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
        return _of_line(line, id, env, result, options).partial()


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
        return _of_argv(argv, id, env, result, options).add()

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
        return _of_argv(argv, id, env, result, options).partial()


shell = Shell()
program = Program()


def _of_line(
    line: str, given_id: str | None, env: Mapping[str, object] | None, result: str, options: Mapping[str, object]
) -> Started:
    return Started(
        "shell",
        [line],
        kind="program",
        more={"shell": True},
        given_id=given_id,
        env=env,
        result=result,
        options=options,
    )


def _of_argv(
    argv: Sequence[object],
    given_id: str | None,
    env: Mapping[str, object] | None,
    result: str,
    options: Mapping[str, object],
) -> Started:
    if isinstance(argv, str) or not argv:
        raise AuthoringError("program takes a list", 'Write program(["ls", "-l"]), or shell("ls -l") for a shell line.')
    first = argv[0] if isinstance(argv[0], str) and "{{" not in argv[0] else "program"
    name = first.replace("\\", "/").rpartition("/")[2]
    return Started(
        name,
        list(argv),
        kind="program",
        more={"shell": False},
        given_id=given_id,
        env=env,
        result=result,
        options=options,
    )
