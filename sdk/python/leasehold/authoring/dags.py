"""``@dag``: a function whose body says which tasks there are and what passes between them."""

from __future__ import annotations

from leasehold.authoring.effort import how_many
from leasehold.authoring.mistakes import AuthoringError, author_place
from leasehold.authoring.options import check_name
from leasehold.authoring.upkeep import upkeep_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, timedelta, tzinfo
    from typing import Any, Generic, ParamSpec, overload

    from leasehold.asset import Asset, AssetAlias, AssetCondition
    from leasehold.authoring.asset_or_time import AssetOrTimeSchedule
    from leasehold.authoring.options import Duration
    from leasehold.authoring.upkeep import Targets

    P = ParamSpec("P")
    AssetsOf = Asset | AssetAlias | AssetCondition
    ScheduleSaid = str | timedelta | AssetsOf | AssetOrTimeSchedule | Sequence[str] | Sequence[AssetsOf] | None

    class _Signed(Generic[P]):
        """Carries the function's signature for type checkers."""
else:

    class _Signed:
        def __class_getitem__(cls, _parameters):
            return cls


class Dag(_Signed["P"]):
    """A DAG. Its body runs when the file is checked or deployed, never where its tasks run.

    Attributes:
        name: The DAG's name.
        function: The author's function.
        description: The first paragraph of its docstring, or of the file's.
        include: Patterns of files beside the DAG file that travel with it.
        timing: What was said of its schedule; read when it is compiled.
        place: (file, line) of the DAG.
        fields: Fields of the manifest about its runs as a whole: limits, who hears of them, how long they are kept.
    """

    def __init__(
        self,
        function: Callable[P, object],
        *,
        name: str,
        description: str | None,
        include: Sequence[str],
        timing: Mapping[str, Any],
        place: tuple[str, int],
        fields: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.description = description
        self.include = tuple(include)
        self.timing = timing
        self.place = place
        self.fields = dict(fields or {})
        if _Made.dags is not None:
            _Made.dags.append(self)

    def __call__(self, *_args: P.args, **_kwargs: P.kwargs) -> None:
        """Do nothing: Airflow's habit of calling the DAG at the end of the file is welcome, and needless."""

    def run_here(self, *args: P.args, **params: P.kwargs) -> Any:
        """Run the whole DAG in this process, by hand: ``if __name__ == "__main__": sensor_report.run_here()``.

        Connections and variables come from the environment and ``leasehold.toml``; a failed run ends with exit code 1.
        Returns a ``leasehold.testing.RunResult``.
        """
        import leasehold

        if args:
            raise TypeError(f"the parameters of a run have names: {self.name}.run_here(day=…)")
        return leasehold.testing.run_here(self, params)

    def __repr__(self) -> str:
        return f"<dag {self.name}>"


class _Made:
    """The DAGs made while a file is loaded; nobody listens where a task runs."""

    dags: list[Dag[...]] | None = None


def listen(dags: list[Dag[...]] | None) -> None:
    """Append every DAG made from now on to ``dags``; None ends it."""
    _Made.dags = dags


if TYPE_CHECKING:

    @overload
    def dag(function: Callable[P, object], /) -> Dag[P]: ...
    @overload
    def dag(
        *,
        name: str | None = None,
        description: str | None = None,
        include: Sequence[str] = (),
        max_active_tasks: int | None = None,
        max_active_tasks_per_dag: int | None = None,
        on_failure: Targets | None = None,
        on_success: Targets | None = None,
        on_retry: Targets | None = None,
        retention: Duration | None = None,
        schedule: ScheduleSaid = None,
        timezone: str | tzinfo | None = None,
        start: date | str | None = None,
        end: date | str | None = None,
        catchup: bool = False,
        max_active_runs: int | None = None,
    ) -> Callable[[Callable[P, object]], Dag[P]]: ...


def dag(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    include: Sequence[str] = (),
    max_active_tasks: int | None = None,
    max_active_tasks_per_dag: int | None = None,
    on_failure: Targets | None = None,
    on_success: Targets | None = None,
    on_retry: Targets | None = None,
    retention: Duration | None = None,
    schedule: ScheduleSaid = None,
    timezone: str | tzinfo | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    catchup: bool = False,
    max_active_runs: int | None = None,
) -> Any:
    """Make a function a DAG: ``@dag``, or ``@dag(name="sensors", include=["queries/*.sql"])``.

    The function's parameters are the run's parameters; their types become a JSON Schema, checked at trigger.

    Args:
        function: The function; given by the bare form.
        name: The DAG's name (default: the function's).
        description: What it is for (default: the docstring's first paragraph).
        include: Patterns of data files to take along, relative to the DAG file.
        max_active_tasks: The most of its task instances at once, in one run.
        max_active_tasks_per_dag: The most of its task instances at once, over all its runs.
        on_failure: Who hears of it when a run fails: ``https://…``, or the name of a connection; or several.
        on_success: Who hears of it when a run succeeds.
        on_retry: Who hears of it when a task failed and will be tried again.
        retention: How long its runs are kept after they ended (default: as the server says), like ``"90d"``.
        schedule: When it runs by itself: a cron expression or several, an interval (``"15m"``, a timedelta),
            ``"@once"``, ``"@continuous"``, or assets (``[a, b]``, ``a & b``, ``a | b``).
        timezone: The IANA name of the zone that cron expressions and dates are read in (default: UTC).
        start: The first moment that it may be due.
        end: The last one.
        catchup: Times that were missed have a run each; else the latest of them has one.
        max_active_runs: How many runs go on at the same time (default: 16 with a schedule, else no limit).

    Raises:
        AuthoringError: if the name can't be one, or an option can't be used.
    """
    place = author_place()
    limits = _limits(
        {"max_active_tasks": max_active_tasks, "max_active_tasks_per_dag": max_active_tasks_per_dag}, place
    )
    timing = {
        "schedule": schedule,
        "timezone": timezone,
        "start": start,
        "end": end,
        "catchup": catchup,
        "max_active_runs": max_active_runs,
    }

    def decorate(decorated: Callable[P, object]) -> Dag[P]:
        if not callable(decorated) or not hasattr(decorated, "__code__"):
            raise AuthoringError("@dag goes on a function", "Write def …(…): below it.", place=place)
        try:
            checked = check_name(name or decorated.__name__)
        except ValueError as problem:
            raise AuthoringError(f"name={name!r}: {problem}", place=place) from None
        try:
            upkeep = upkeep_of(retention=retention, on_failure=on_failure, on_success=on_success, on_retry=on_retry)
        except ValueError as problem:
            raise AuthoringError(str(problem), place=place) from None
        return Dag(
            decorated,
            name=checked,
            description=description,
            include=include,
            timing=timing,
            place=place,
            fields={**limits, **upkeep},
        )

    return decorate if function is None else decorate(function)


def _limits(given: dict[str, int | None], place: tuple[str, int]) -> dict[str, int]:
    limits: dict[str, int] = {}
    for name, value in given.items():
        if value is not None:
            try:
                limits[name] = how_many(value)
            except ValueError as problem:
                raise AuthoringError(f"{name}={value!r}: {problem}", place=place) from None
    return limits
