"""What a task may be mapped over: lists, dictionaries, parameters, results, and several of them together."""

from __future__ import annotations

from typing import Any

from leasehold.authoring.calls import Arguments, Expression
from leasehold.authoring.graph import Result
from leasehold.authoring.mistakes import AuthoringError
from leasehold.authoring.symbols import Param, Symbol

_NO_FILL: Any = object()


class Together(Symbol):
    """Several sources as one.

    Attributes:
        kind: The manifest's word for how.
        parts: The sources.
        more: What else the manifest says of it.
    """

    _cure = "use it as an argument of expand(…)"

    def __init__(self, kind: str, parts: tuple[object, ...], more: dict[str, object]) -> None:
        self.kind = kind
        self.parts = parts
        self.more = more
        self._what = f"the items of {kind} lists"

    def __repr__(self) -> str:
        return f"<{len(self.parts)} {self.kind} lists>"


def zip_(*sources: object, fill: object = _NO_FILL) -> Any:
    """Return the first items of all sources as a tuple, then the second ones: ``load.expand(pair=zip_(files, days))``.

    Args:
        sources: Lists, results, parameters.
        fill: Stands for what shorter ones lack; without it the shortest one's end is the end.

    Raises:
        AuthoringError: if there is nothing to zip.
    """
    if not sources:
        raise AuthoringError("zip_() has nothing to zip", "Give it lists or results: zip_(files, days).")
    more: dict[str, object] = {} if fill is _NO_FILL else {"longest": True, "fill": fill}
    return Together("zipped", sources, more)


def concat(*sources: object) -> Any:
    """Return the items of the first source, then those of the next: ``load.expand(file=concat(found, ["late.csv"]))``.

    Args:
        sources: Lists, results, parameters.

    Raises:
        AuthoringError: if there is nothing.
    """
    if not sources:
        raise AuthoringError("concat() has nothing to put together", "Give it lists or results: concat(a, b).")
    return Together("concatenated", sources, {})


def source_of(value: object, arguments: Arguments, name: str, task: str) -> Expression:
    """Return what ``value`` is in a manifest.

    Raises:
        AuthoringError: if nothing can be mapped over it.
    """
    match value:
        case Together():
            parts = [source_of(part, arguments, f"{name}[{n}]", task) for n, part in enumerate(value.parts)]
            more = dict(value.more)
            if "fill" in more:
                more["fill"] = arguments.express(more["fill"], f"{name}: fill", task).get("value")
            return {"kind": value.kind, "parts": parts, **more}
        case Result() if (how := _is_text(value)) is not None:
            raise AuthoringError(
                f"{task!r} can't be expanded over {name}: the result of {value.task!r} is text",
                f'Let it print JSON, a list, and give it result="json" in place of "{how}".',
            )
        case Result() | Param():
            return arguments.express(value, name, task)
        case range():
            return arguments.express(list(value), name, task)
        case list() | tuple():
            return arguments.express(list(value), name, task)
        case dict():
            return arguments.express(value, name, task)
        case str() if "{{" in value:
            cure = (
                "Give the parameter itself: declare it in the DAG function, def my_dag(sites: list[str]), and pass it."
            )
        case str():
            cure = f"Write {name}=[{value!r}] for one instance, or partial({name}={value!r}) for a value that all have."
        case _:
            cure = f"Give a list, a dictionary or a result; what is the same for all goes into partial({name}=…)."
    what = f"{value!r}" if len(repr(value)) <= 40 else f"a {type(value).__name__}"
    raise AuthoringError(f"{task!r} can't be expanded over {name}: {what} is no list", cure)


def _is_text(result: Result) -> str | None:
    """Return the ``result=`` of a program whose result is one text."""
    node = result.graph.nodes.get(result.task)
    if node is None or node.mapped or result.key != "return_value" or node.work.get("kind") == "python":
        return None
    how = str(node.work.get("result"))
    return how if how in ("last_line", "text") else None
