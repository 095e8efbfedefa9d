"""Expressions of a manifest are worked out where the task runs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from leasehold.runtime.expressions import ExpressionError, Facts, as_text, evaluate, facts_from_context, names_in
from leasehold_protocol.v1.leases import RunFacts
from leasehold_protocol.v1.manifest import PythonWork
from leasehold_protocol.v1.tasks import TaskContext

RUN = RunFacts(
    run="run-7",
    dag="sensor_report",
    dag_version=3,
    team="default",
    params={"day": "{{ ds }}", "limits": {"upper": 80}, "loop": "{{ params.day }}"},
    logical_date=datetime(2026, 11, 22, 6, tzinfo=UTC),
)
CONTEXT = TaskContext(
    attempt="ti-1.2",
    task="summarise",
    task_instance="ti-1",
    try_number=2,
    run=RUN,
    work=PythonWork(module="sensor_report", function="summarise"),
    inputs={"read/return_value": {"$type": "date", "value": "2026-11-21"}, "read/rows": [1, 2]},
    work_dir="/work",
    bundle_dir="/bundle",
)


@pytest.fixture
def facts() -> Facts:
    return facts_from_context(CONTEXT.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"kind": "literal", "value": {"$type": "tuple", "value": [1]}}, (1,)),
        ({"kind": "param", "name": "day"}, "2026-11-22"),
        ({"kind": "param", "name": "limits"}, {"upper": 80}),
        ({"kind": "result", "task": "read"}, date(2026, 11, 21)),
        ({"kind": "result", "task": "read", "key": "rows"}, [1, 2]),
        ({"kind": "result", "task": "returned_nothing"}, None),
        ({"kind": "template", "text": "{{ds}}/{{ ds_nodash }}"}, "2026-11-22/20261122"),
        ({"kind": "template", "text": "{{ params.limits.upper }}°"}, "80°"),
        ({"kind": "template", "text": "{{ params.limits }}"}, '{"upper":80}'),
        ({"kind": "template", "text": '{{ "{{" }}.Names}}'}, "{{.Names}}"),
        ({"kind": "template", "text": "{{ dag }} {{ run_id }} {{ try_number }}"}, "sensor_report run-7 2"),
        ({"kind": "template", "text": "{{ ts }}"}, "2026-11-22T06:00:00+00:00"),
        ({"kind": "list", "items": [{"kind": "param", "name": "day"}]}, ["2026-11-22"]),
        ({"kind": "dict", "items": {"$type": {"kind": "literal", "value": 1}}}, {"$type": 1}),
    ],
)
def test_an_expression_has_its_value(facts: Facts, expression: dict[str, Any], value: object) -> None:
    assert evaluate(expression, facts) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"kind": "param", "name": "dya"}, "no parameter 'dya'. It has: day, limits, loop"),
        ({"kind": "param", "name": "loop"}, "no parameter 'day'. It has: none"),
        ({"kind": "result", "task": "read", "key": "rest"}, "'read' did not push 'rest'"),
        ({"kind": "template", "text": "{{ dss }}"}, "'dss', which is unknown. There is: dag, "),
        ({"kind": "template", "text": "{{ params.limits.lower }}"}, "params.limits has no 'lower'. It has: upper"),
        ({"kind": "template", "text": "{{ ds.year }}"}, "nothing inside: it is str"),
        ({"kind": "template", "text": "{{ ds "}, "never closed"),
        ({"kind": "secret", "name": "x"}, "kind 'secret', which this version doesn't know"),
    ],
)
def test_an_expression_without_a_value_says_what_there_is(
    facts: Facts, expression: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExpressionError) as refusal:
        evaluate(expression, facts)

    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        (True, "true"),
        ([1, {"ä": date(2026, 11, 22)}], '[1,{"ä":"2026-11-22"}]'),
        (date(2026, 11, 22), "2026-11-22"),
        (timedelta(minutes=1, milliseconds=500), "60.5"),
    ],
)
def test_a_program_sees_text_as_text_and_the_rest_as_compact_json(value: object, text: str) -> None:
    assert as_text(value) == text


def test_the_names_in_a_template_can_be_checked_before_it_runs() -> None:
    assert names_in('{{ ds }} {{params.day}} {{ "{{" }}') == ["ds", "params.day"]

    with pytest.raises(ExpressionError, match="only dotted names"):
        names_in("{{ ds | upper }}")


def test_a_value_that_is_marked_wrongly_is_named_with_the_task_that_left_it() -> None:
    facts = Facts(names={}, inputs={"collect/late": {"$type": "datetime", "value": "6 o'clock on Mars"}})

    with pytest.raises(ExpressionError, match=r"what 'collect' left under 'late' can't be read: .*marked as datetime"):
        evaluate({"kind": "result", "task": "collect", "key": "late"}, facts)
