"""What an author says of time is checked where it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from leasehold.authoring.cron import CronError, times_per_day
from leasehold.authoring.loading import LoadedFile, load_file
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.schedules import Schedule


def loaded(tmp_path: Path, said: str, *, params: str = "") -> LoadedFile:
    file = tmp_path / "report.py"
    file.write_text(
        dedent(
            """\
            from datetime import timedelta
            from leasehold import Asset, AssetAlias, AssetOrTimeSchedule, dag, shell

            A, B, C = Asset("a"), Asset("b"), AssetAlias("c")

            @dag({said})
            def report({params}):
                shell("true")
            """
        ).format(said=said, params=params)
    )
    return load_file(file)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('schedule="0 6 * * *", timezone="Europe/Berlin"', {"cron": ["0 6 * * *"], "timezone": "Europe/Berlin"}),
        ('schedule=["0 6 * * *", "@weekly"]', {"cron": ["0 6 * * *", "@weekly"]}),
        ('schedule="15m"', {"every_s": 900.0}),
        ("schedule=timedelta(hours=1)", {"every_s": 3600.0}),
        ('schedule="@once"', {"once": True}),
        (
            'schedule="@daily", start="2026-11-01", timezone="Europe/Berlin", catchup=True',
            {"cron": ["@daily"], "start": "2026-11-01T00:00:00+01:00", "catchup": True},
        ),
    ],
)
def test_a_schedule_is_in_the_manifest(tmp_path: Path, said: str, expected: dict[str, Any]) -> None:
    (dag,) = loaded(tmp_path, said).dags

    schedule = Manifest.model_validate(dag.manifest).schedule
    assert schedule is not None
    assert {name: getattr(schedule, name) for name in expected} == expected


def test_continuous_runs_follow_one_another(tmp_path: Path) -> None:
    (dag,) = loaded(tmp_path, 'schedule="@continuous"').dags

    assert dag.manifest["max_active_runs"] == 1


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("schedule=A", "a"),
        ("schedule=[A, B]", ("all", "a", "b")),
        ("schedule=A & (B | C)", ("all", "a", ("any", "b", "c"))),
    ],
)
def test_assets_make_a_condition(tmp_path: Path, said: str, expected: object) -> None:
    (dag,) = loaded(tmp_path, said).dags

    def short(part: dict[str, Any]) -> object:
        if "of" in part:
            return (part["kind"], *map(short, part["of"]))
        return part["alias"] if part["kind"] == "alias" else part["asset"]["name"]

    assert Manifest.model_validate(dag.manifest).schedule is not None
    assert short(dag.manifest["schedule"]["assets"]) == expected


def test_a_time_and_assets_may_stand_together(tmp_path: Path) -> None:
    (dag,) = loaded(tmp_path, 'schedule=AssetOrTimeSchedule(["@daily", "0 7 * * *"], A & B), timezone="UTC"').dags

    found = Manifest.model_validate(dag.manifest).schedule
    assert found is not None
    assert (found.cron, found.goes_by_both) == (["@daily", "0 7 * * *"], True)


def test_no_other_two_kinds_may() -> None:
    with pytest.raises(ValidationError, match="or assets and a time"):
        Schedule.model_validate({"cron": ["@daily"], "every_s": 60})
    with pytest.raises(ValidationError, match="or assets and a time"):
        Schedule.model_validate({"once": True, "assets": {"kind": "alias", "alias": "a"}})


@pytest.mark.parametrize(
    ("said", "message", "cure"),
    [
        ('schedule="0 25 * * *"', "hour (character 3): 25 is not between 0 and 23", "minute hour day month weekday"),
        ('schedule="0 6,x * * *"', "hour (character 5): 'X' is no number", ""),
        ('schedule="0 6 * *"', "it has 4 fields, and five are needed", ""),
        ('schedule="0 0 30 2 *"', "none of these months has a day 30", ""),
        ('schedule="@dayly"', "did you mean '@daily'?", ""),
        ('schedule="@daily", timezone="Europe/Berlinn"', "no such time zone", "Did you mean 'Europe/Berlin'?"),
        ('schedule="@daily", start="2026-11-02", end="2026-11-01"', "is after end", ""),
        ('schedule="@daily", catchup=True', "catchup=True needs a start", ""),
        ('timezone="Europe/Berlin"', "timezone is for a DAG with a schedule", ""),
        ('schedule=["@daily", A]', "is no schedule", "AssetOrTimeSchedule"),
        ("schedule=AssetOrTimeSchedule(A, '@daily')", "is no time", "first"),
        ("schedule=AssetOrTimeSchedule('@once', A)", "timetable='@once' is no time", ""),
        ("schedule=AssetOrTimeSchedule('@daily', '@hourly')", "are no assets", "second"),
        ("schedule=AssetOrTimeSchedule('@dayly', A)", "did you mean '@daily'?", ""),
        ("schedule=3.5j", "is no schedule", ""),
        ("max_active_runs=0", "a whole number from 1 to 10000", ""),
    ],
)
def test_mistakes_are_found_at_their_line(tmp_path: Path, said: str, message: str, cure: str) -> None:
    (problem,) = loaded(tmp_path, said).problems

    assert problem.line == 6
    assert message in problem.message
    assert cure in problem.cure


def test_a_parameter_without_a_default_can_not_be_scheduled(tmp_path: Path) -> None:
    (problem,) = loaded(tmp_path, 'schedule="@daily"', params="day: str").problems

    assert "the parameter 'day' has no default" in problem.message


def test_much_to_make_up_for_is_worth_a_warning(tmp_path: Path) -> None:
    (many,) = loaded(tmp_path, 'schedule="*/5 * * * *", start="2020-01-01", catchup=True').dags
    (few,) = loaded(tmp_path, 'schedule="@daily", start="2020-01-01", catchup=True').dags

    assert [each.line for each in many.warnings] == [6]
    assert "runs after the deploy" in many.warnings[0].message
    assert few.warnings == ()


PART = st.text(alphabet="0123456789*/-,#LWMONJA ", min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(PART.map(lambda text: text.replace(" ", "")), st.just("*")), min_size=5, max_size=5))
def test_what_passes_here_passes_at_the_api(parts: list[str]) -> None:
    expression = " ".join(parts)
    if len(expression.split()) != 5:
        return
    try:
        times_per_day(expression)
    except CronError:
        return

    try:
        CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as problem:
        raise AssertionError(f"{expression!r} passes check, and the API refuses it") from problem
