"""Where an argument's value comes from: pure evaluation of the manifest's expressions.

The task process evaluates the arguments of ``@task`` functions with it, the attempt host the argument vector and the
environment of programs. Templates know dotted names only (``{{ ds }}``, ``{{ params.day }}``): no calls, no operators.
"""

from __future__ import annotations

from _collections_abc import Callable, Mapping  # at hand since the interpreter began; collections is not

from leasehold.runtime.values import decode, plain

RESULT_KEY = "return_value"
"""The XCom key of a task's result."""


class ExpressionError(ValueError):
    """An argument can't be worked out. The message says which name or result is missing, and what there is."""


class Facts:
    """What expressions may name.

    Attributes:
        names: The template names (``ds``, ``run_id``, …) with their values.
        params: The run's parameters, as JSON.
        inputs: ``<task>/<key>`` → the value an upstream task returned or pushed, encoded (see ``values``).
        item: Of a mapped task: argument → what this instance takes, encoded.
        results: Makes of (task, key, the encoded values if they are here) what a mapped upstream task's results
            arrive as; None: a plain list.
    """

    __slots__ = ("inputs", "item", "names", "params", "results")

    def __init__(
        self,
        *,
        names: Mapping[str, object],
        params: Mapping[str, object] | None = None,
        inputs: Mapping[str, object] | None = None,
        item: Mapping[str, object] | None = None,
    ) -> None:
        self.names = names
        self.params: Mapping[str, object] = params or {}
        self.inputs: Mapping[str, object] = inputs or {}
        self.item: Mapping[str, object] = item or {}
        self.results: Callable[[str, str, list[object] | None], object] | None = None


def facts_from_context(context: Mapping[str, object]) -> Facts:
    """Return the facts in the JSON of a ``TaskContext`` (``GET /v1/context``)."""
    run = _mapping(context.get("run"))
    logical_date = _utc(str(run.get("logical_date", "")))
    names: dict[str, object] = {
        "dag": run.get("dag"),
        "dag_version": run.get("dag_version"),
        "team": run.get("team"),
        "run_id": run.get("run"),
        "trigger": run.get("trigger", "manual"),
        "logical_date": logical_date,
        "ts": logical_date,
        "ds": logical_date[:10],
        "ds_nodash": logical_date[:10].replace("-", ""),
        "data_interval_start": _utc(str(run.get("data_interval_start") or logical_date)),
        "data_interval_end": _utc(str(run.get("data_interval_end") or logical_date)),
        **_previous_success(_mapping(run.get("previous_success"))),
        "task": context.get("task"),
        "task_instance": context.get("task_instance"),
        "attempt": context.get("attempt"),
        "map_index": context.get("map_index", -1),
        "try_number": context.get("try_number"),
        "work_dir": context.get("work_dir"),
        "bundle_dir": context.get("bundle_dir"),
    }
    item = _mapping(context.get("item"))
    if item:
        names["item"] = {name: decode(value) for name, value in item.items()}
    return Facts(names=names, params=_mapping(run.get("params")), inputs=_mapping(context.get("inputs")), item=item)


def evaluate(expression: Mapping[str, object], facts: Facts) -> object:
    """Return the value of one expression of a manifest.

    Literals and results come back decoded: a tagged date is a ``date``.

    Raises:
        ExpressionError: if it names something that isn't there, or is of a kind this version doesn't know.
    """
    match expression:
        case {"kind": "literal", "value": value}:
            return decode(value)
        case {"kind": "param", "name": str(name)}:
            return parameter(name, facts)
        case {"kind": "result", "task": str(task)}:
            return _result(task, str(expression.get("key", RESULT_KEY)), facts)
        case {"kind": "results", "task": str(task)}:
            return _results(task, str(expression.get("key", RESULT_KEY)), facts)
        case {"kind": "item", "name": str(name)}:
            if name not in facts.item:
                raise ExpressionError(f"the item that this task is for has no {name!r}. It has: {_listed(facts.item)}")
            return decode(facts.item[name])
        case {"kind": "template", "text": str(text)}:
            return render(text, facts)
        case {"kind": "list", "items": list(items)}:
            return [evaluate(item, facts) for item in items]
        case {"kind": "dict", "items": dict(entries)}:
            return {str(key): evaluate(entry, facts) for key, entry in entries.items()}
        case _:
            raise ExpressionError(
                f"an argument is of kind {expression.get('kind')!r}, which this version doesn't know: "
                "update the agent, or deploy the DAG with an older SDK"
            )


def spread(work: Mapping[str, object], facts: Facts, said: Mapping[str, object]) -> dict[str, object]:
    """Return what an instance's item adds to the arguments that were ``said``: all of it, if it is to be spread.

    Raises:
        ExpressionError: if it names one that was said already.
    """
    if work.get("spread") is not True:
        return {}
    if twice := [name for name in facts.item if name in said]:
        raise ExpressionError(
            f"an item of expand_kwargs has {twice[0]!r}, which partial(…) gives to all: leave one out"
        )
    return {name: decode(value) for name, value in facts.item.items()}


def parameter(name: str, facts: Facts) -> object:
    """Return one parameter of the run; text with ``{{ … }}`` in it is rendered.

    Raises:
        ExpressionError: if the run has no such parameter, or its text can't be rendered.
    """
    if name not in facts.params:
        raise ExpressionError(f"the run has no parameter {name!r}. It has: {_listed(facts.params)}")
    value = facts.params[name]
    if isinstance(value, str) and "{{" in value:
        # A parameter's text sees the built-in names only: parameters that name each other could never end.
        return render(value, Facts(names=facts.names))
    return value


def render(text: str, facts: Facts) -> str:
    """Return ``text`` with every ``{{ name }}`` replaced.

    Raises:
        ExpressionError: if a name is unknown, or braces are left open.
    """
    rendered: list[str] = []
    rest = text
    while True:
        before, opened, after = rest.partition("{{")
        rendered.append(before)
        if not opened:
            return "".join(rendered)
        inside, closed, rest = after.partition("}}")
        if not closed:
            raise ExpressionError(f"{{{{ is never closed in the template {text!r}: add }}}}")
        rendered.append(as_text(lookup(inside.strip(), facts)))


def lookup(name: str, facts: Facts) -> object:
    """Return what a dotted name stands for: ``ds``, ``params.day``, ``params.limits.upper``.

    A text in quotes stands for itself, so that ``{{ "{{" }}`` writes two braces.

    Raises:
        ExpressionError: if there is no such name; the message lists what there is.
    """
    if _is_quoted(name):
        return name[1:-1]
    first, *rest = name.split(".")
    if first == "params" and rest:
        value, seen = parameter(rest[0], facts), f"params.{rest[0]}"
        rest = rest[1:]
    elif first in facts.names:
        value, seen = facts.names[first], first
    else:
        raise ExpressionError(f"a template names {name!r}, which is unknown. There is: {_known(facts)}")
    for part in rest:
        if not isinstance(value, Mapping) or part not in value:
            inside = _listed(value) if isinstance(value, Mapping) else "nothing inside: it is " + type(value).__name__
            raise ExpressionError(f"a template names {name!r}, but {seen} has no {part!r}. It has: {inside}")
        value, seen = value[part], f"{seen}.{part}"
    return value


def names_in(text: str) -> list[str]:
    """Return the names a template uses, in order.

    Raises:
        ExpressionError: if braces are left open, or hold anything but a dotted name.
    """
    names: list[str] = []
    rest = text
    while "{{" in rest:
        inside, closed, rest = rest.partition("{{")[2].partition("}}")
        name = inside.strip()
        if not closed:
            raise ExpressionError(f"{{{{ is never closed in the template {text!r}: add }}}}")
        if not _is_quoted(name) and not all(part.replace("-", "_").isidentifier() for part in name.split(".")):
            raise ExpressionError(
                f"a template holds {name!r}: only dotted names work there, like {{{{ ds }}}} or {{{{ params.day }}}}"
            )
        if not _is_quoted(name):
            names.append(name)
    return names


def as_text(value: object) -> str:
    """Return a value as a program sees it: text stays, dates and paths are plain text, the rest is compact JSON."""
    simple = plain(value)
    if isinstance(simple, str):
        return simple
    import json

    return json.dumps(simple, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _is_quoted(name: str) -> bool:
    return len(name) >= 2 and name[0] in "'\"" and name[-1] == name[0]


def _result(task: str, key: str, facts: Facts) -> object:
    name = f"{task}/{key}"
    if name in facts.inputs:
        try:
            return decode(facts.inputs[name])
        except ValueError as problem:
            cure = f"{task!r} has to write plain JSON, or what docs/reference/task-protocol.md says of that tag"
            raise ExpressionError(f"what {task!r} left under {key!r} can't be read: {problem}. {cure}") from None
    if key == RESULT_KEY:
        return None  # a task that returned nothing pushed nothing
    raise ExpressionError(f"task {task!r} did not push {key!r}: call xcom.push({key!r}, …) in it on every way through")


def _results(task: str, key: str, facts: Facts) -> object:
    given = facts.inputs.get(f"{task}/{key}")
    values = given if isinstance(given, list) else None
    if facts.results is not None:
        return facts.results(task, key, values)
    if values is None:
        raise ExpressionError(
            f"what the instances of {task!r} left under {key!r} is not here: read it with xcom.pull_all"
        )
    return [decode(value) for value in values]


def _previous_success(run: Mapping[str, object]) -> dict[str, object]:
    """Return what is known of the last run that succeeded; empty texts when there is none."""
    at = run.get("logical_date") or ""
    times = {
        "prev_logical_date_success": at,
        "prev_data_interval_start_success": run.get("data_interval_start") or at,
        "prev_data_interval_end_success": run.get("data_interval_end") or at,
        "prev_start_date_success": run.get("started_at") or "",
        "prev_end_date_success": run.get("ended_at") or "",
    }
    return {name: _utc(str(moment)) for name, moment in times.items()}


def _utc(instant: str) -> str:
    """Write an RFC 3339 instant with a numeric offset; the protocol's instants are UTC or carry their offset."""
    return instant[:-1] + "+00:00" if instant.endswith("Z") else instant


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _known(facts: Facts) -> str:
    return ", ".join([*facts.names, *(f"params.{name}" for name in facts.params)])


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none"
