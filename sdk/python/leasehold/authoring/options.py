"""What an author may say about a task beside its work: effort, needs, waiting. Checked where it is written."""

from __future__ import annotations

from leasehold.authoring.assets import assets_or_aliases, said_of
from leasehold.authoring.effort import EFFORT, EFFORT_FIELDS, ELSEWHERE
from leasehold.authoring.mistakes import AuthoringError, did_you_mean, tell
from leasehold.authoring.trigger_rules import trigger_rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from typing import Literal, TypedDict

    from leasehold.asset import Asset, AssetAlias
    from leasehold.authoring.trigger_rules import TriggerRule

    Duration = float | str | timedelta

    class SensorOptions(TypedDict, total=False):
        """The options of ``task.sensor``, beside its own."""

        connections: Sequence[str]
        """Connections the task may ask for. They decide where it can run."""
        variables: Sequence[str]
        """Variables the task may read and write."""
        id_tokens: Sequence[str]
        """Audiences that the task may ask identity tokens for."""
        dags: Sequence[str]
        """Other DAGs whose runs the task may look at."""
        triggers: Sequence[str]
        """DAGs that the task may start runs of, and look at."""
        inlets: Sequence[Asset | AssetAlias | str]
        """Assets that the task looks at."""
        outlets: Sequence[Asset | AssetAlias | str]
        """Assets that the task writes: each has an event when it succeeds."""
        retries: int
        """How often to try again after a failure of the task's own; 0 … 1000."""
        retry_delay: Duration
        """How long to wait before trying again (default 30 s)."""
        retry_backoff: Literal["constant", "exponential"]
        """``exponential``: wait twice as long with every try, a little less by chance, up to ``max_retry_delay``."""
        max_retry_delay: Duration
        """The longest wait before a retry (default 1 day)."""
        max_offline: Duration
        """How long the task may run out of the API's sight, 10 s … 7 days (default 5 min)."""
        priority: int
        """Higher goes first; -100 … 100."""
        queue_timeout: Duration | None
        """How long it may wait to be started, each time it is queued; then it fails. None: as long as it takes."""
        pool: str
        """The pool of the team whose slots it takes."""
        pool_slots: int
        """How many slots of the pool it takes (default 1)."""
        max_active_tis_per_dag: int
        """The most instances of this task at once, over all runs of the DAG."""
        max_active_tis_per_dagrun: int
        """The most (mapped) instances of this task at once, in one run."""
        needs: Mapping[str, str | int | float | bool]
        """What the place must offer: label → value or condition, like ``{"memory": ">=8GiB"}``."""
        trigger_rule: TriggerRule
        """When the task may run, by how its upstream tasks ended."""
        runtime: str
        """What runs it at the site."""
        map_index_template: str
        """What each instance of a mapped task is called: ``"{{ item.day }}"``."""
        isolation: Literal["warm", "fresh"]
        """Where a function begins: in a process that has its libraries in memory already, or in a new interpreter."""

    class TaskOptions(SensorOptions, total=False):
        """The options of ``task``, ``shell``, ``program`` and ``container``."""

        timeout: Duration | None
        """How long one try may take; None: as long as it likes."""


class Options:
    """A task's options, checked.

    Attributes:
        entry: Fields of the manifest's task entry.
        work: Fields of its work.
        place: Where the author wrote them.
        map_index_template: What instances of a mapped task are called.
        given: Those that can be used, as they were said.
    """

    __slots__ = ("_runtime", "entry", "given", "map_index_template", "place", "work")

    def __init__(self, given: Mapping[str, object], *, runtime: str, place: tuple[str, int]) -> None:
        self.place = place
        self._runtime = runtime
        entry: dict[str, object] = {}
        for name, value in given.items():
            try:
                entry[name] = self._read(name, value)
            except AuthoringError as mistake:
                tell(mistake)
        self.given = {name: value for name, value in given.items() if name in entry}
        template = entry.pop("map_index_template", None)
        self.map_index_template: str | None = None if template is None else str(template)
        if "pool_slots" in entry and "pool" not in entry:
            raise self._mistake("pool_slots= needs a pool", 'Say which one beside it: pool="NAME".', "pool_slots")
        isolation = entry.pop("isolation", None)
        if isolation is not None and runtime != "python":
            raise self._mistake(
                "isolation is for @task functions",
                "A program or container always begins afresh: leave it out.",
                "isolation",
            )
        self.work: dict[str, object] = {"isolation": isolation} if isolation == "fresh" else {}
        self.entry: dict[str, object] = {
            "needs": {
                "connections": entry.pop("connections", []),
                "labels": entry.pop("needs", {}),
                "runtime": entry.pop("runtime", runtime),
            },
            "variables": entry.pop("variables", []),
            **said_of("inlets", entry.pop("inlets", [])),
            **said_of("outlets", entry.pop("outlets", [])),
            **{EFFORT_FIELDS.get(name, name): value for name, value in entry.items()},
        }

    def after(self, defaults: Mapping[str, object]) -> Options:
        """Return these options, and ``defaults`` for what they leave open."""
        missing = {name: value for name, value in defaults.items() if name not in self.given}
        return Options({**missing, **self.given}, runtime=self._runtime, place=self.place) if missing else self

    @property
    def connections(self) -> list[str]:
        """The connections that the task declared."""
        needs = self.entry["needs"]
        return list(needs["connections"]) if isinstance(needs, dict) else []

    @property
    def variables(self) -> list[str]:
        """The variables that the task declared."""
        declared = self.entry["variables"]
        return [str(key) for key in declared] if isinstance(declared, list) else []

    @property
    def triggers(self) -> list[str]:
        """The DAGs that the task may start runs of."""
        declared = self.entry.get("triggers", [])
        return [str(dag) for dag in declared] if isinstance(declared, list) else []

    def _read(self, name: str, value: object) -> object:
        if name not in _READERS:
            raise self._mistake(f"there is no option {name!r}", _meant(name), name)
        try:
            return _READERS[name](value)
        except ValueError as problem:
            raise self._mistake(f"{name}={value!r}: {problem}", "", name) from None

    def _mistake(self, message: str, cure: str, word: str) -> AuthoringError:
        return AuthoringError(message, cure, place=self.place, word=word)


_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


def check_name(name: object) -> str:
    """Return ``name`` if it may name a DAG, a task or a connection.

    Raises:
        ValueError: if it may not.
    """
    if isinstance(name, str) and 0 < len(name) <= 128 and _LETTERS.issuperset(name) and name[0] not in ".-":
        return name
    raise ValueError(f"{name!r} can't be a name: use up to 128 of A-Z a-z 0-9 _ . - and begin with none of . -")


def _names(value: object) -> list[str]:
    return [check_name(name) for name in _texts(value)]


def _keys(value: object) -> list[str]:
    keys = _texts(value)
    for pattern in keys:
        key = pattern.removesuffix("*")
        if not 0 < len(key) <= 250 or not (_LETTERS | {"/", ":"}).issuperset(key) or key[0] in ".-/:":
            raise ValueError(
                f"{pattern!r} can't be a variable's key: use up to 250 of A-Z a-z 0-9 _ . - / :, and * at the end "
                "for all that begin so"
            )
    return keys


def _audiences(value: object) -> list[str]:
    audiences = _texts(value)
    for audience in audiences:
        if not 0 < len(audience) <= 255 or any(not "!" <= letter <= "~" or letter in '"\\' for letter in audience):
            raise ValueError(
                f"{audience!r} can't be an audience: use up to 255 ASCII letters and signs, no space, \" or \\"
            )
    return audiences


def _texts(value: object) -> list[str]:
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(item, str) for item in value):
        return [str(item) for item in (value if isinstance(value, list | tuple) else sorted(value))]
    raise ValueError('a list of names is needed, even for one: ["plant_db"]')


def _labels(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError('a dictionary is needed, like {"os": "linux", "memory": ">=8GiB"}')
    return {check_name(label): _condition(condition) for label, condition in value.items()}


def _condition(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float) and str(value):
        return str(value)
    raise ValueError(f"{value!r} is not a condition: write text, a number, or True")


def _template(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError('a text is needed, like "{{ item.day }}"')


def _isolation(value: object) -> str:
    if value in ("warm", "fresh"):
        return str(value)
    raise ValueError('it may be "warm" or "fresh"')


_READERS = {
    "connections": _names,
    "variables": _keys,
    "id_tokens": _audiences,
    "dags": _names,
    "triggers": _names,
    "inlets": assets_or_aliases,
    "outlets": assets_or_aliases,
    **EFFORT,
    "pool": check_name,
    "needs": _labels,
    "trigger_rule": trigger_rule,
    "runtime": check_name,
    "map_index_template": _template,
    "isolation": _isolation,
}

OPTION_NAMES = tuple(_READERS)
"""Every option of ``task``, ``shell``, ``program`` and ``container``."""


def _meant(unknown: str) -> str:
    if unknown in ELSEWHERE:
        return f"Here it is {ELSEWHERE[unknown]}."
    known = ["id", *_READERS]
    return f"{did_you_mean(unknown, known)}There are: {', '.join(known)}."
