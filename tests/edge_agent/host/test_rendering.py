"""What people are shown of a task's arguments: short, without secrets, in any shape an author may give them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leasehold_agent.host.rendering import MOST_IN_ALL, MOST_OF_A_FIELD, rendered
from leasehold_protocol.v1.leases import Rendered
from tests.edge_agent.host.harness import Attempt, shell

CONTEXT = {
    "run": {"logical_date": "2026-11-22T06:00:00Z", "params": {"day": "{{ ds }}", "limits": {"upper": 6}}},
    "inputs": {"collect/return_value": [{"x": 1, "password": "hunter2"}, "ü"]},
}


def _masked(text: str) -> str:
    return text.replace("s3cr3t", "***")


def _fields(work: dict[str, Any]) -> dict[str, str]:
    return {field.name: field.text for field in Rendered.model_validate(rendered(work, CONTEXT, _masked)).fields}


def _literal(value: Any) -> dict[str, Any]:
    return {"kind": "literal", "value": value}


def test_arguments_are_named_and_worked_out() -> None:
    work = {
        "args": [{"kind": "template", "text": "day {{ params.day }}"}, {"kind": "param", "name": "limits"}],
        "kwargs": {"rows": {"kind": "result", "task": "collect"}, "none": {"kind": "result", "task": "other"}},
        "argv": [_literal("wc"), {"kind": "list", "items": [_literal(1), _literal(None), _literal([])]}],
        "env": {"LEVEL": {"kind": "dict", "items": {"a": _literal(True), "b": _literal({})}}},
    }

    assert _fields(work) == {
        "args[0]": "day 2026-11-22",
        "args[1]": '{"upper": 6}',
        "argv[0]": "wc",
        "argv[1]": "[1, null, []]",
        "rows": '[{"x": 1, "password": "***"}, "ü"]',
        "none": "null",
        "env.LEVEL": '{"a": true, "b": {}}',
    }


@pytest.mark.parametrize("name", ["password", "db_passwd", "API_KEY", "access_token", "client_secret", "private_pem"])
def test_what_is_named_like_a_secret_is_not_shown(name: str) -> None:
    work = {"kwargs": {name: _literal("open sesame"), "deep": _literal({"a": [{name: {"k": "open sesame"}}]})}}

    fields = _fields(work)

    assert fields[name] == "***"
    assert "open sesame" not in json.dumps(fields)


def test_a_secret_is_masked_before_a_field_is_cut() -> None:
    text = "x" * (MOST_OF_A_FIELD - 3) + "s3cr3t" + "y" * 100

    (field,) = Rendered.model_validate(rendered({"args": [_literal(text)]}, CONTEXT, _masked)).fields

    assert field.text == "x" * (MOST_OF_A_FIELD - 3) + "***"
    assert field.cut


def test_a_huge_value_is_cut_without_being_gone_through() -> None:
    class Endless(list[Any]):
        def __iter__(self) -> Any:
            return iter(lambda: "row", None)

    (field,) = Rendered.model_validate(rendered({"args": [_literal(Endless([1]))]}, CONTEXT, _masked)).fields

    assert (len(field.text), field.cut) == (MOST_OF_A_FIELD, True)


def test_what_finds_no_room_is_counted() -> None:
    work = {"kwargs": {f"field{number:02}": _literal("x" * 9000) for number in range(40)}}

    found = Rendered.model_validate(rendered(work, CONTEXT, _masked))

    assert sum(len(field.name) + len(field.text) for field in found.fields) <= MOST_IN_ALL
    assert len(found.fields) + found.left_out == 40
    assert len(found.fields) == 15


@pytest.mark.parametrize("work", [{}, {"args": [], "kwargs": {}}, {"argv": None}])
def test_a_task_without_arguments_shows_nothing(work: dict[str, Any]) -> None:
    assert rendered(work, CONTEXT, _masked) == {}


@pytest.mark.parametrize(
    "expression", [{"kind": "new"}, {"kind": "param", "name": "gone"}, {"kind": "template", "text": "{{ x }}"}]
)
def test_what_can_not_be_worked_out_says_so(expression: dict[str, Any]) -> None:
    assert _fields({"args": [expression]})["args[0]"].startswith("could not be worked out: ")


def test_an_attempt_leaves_its_arguments_masked_and_its_label(attempt: Attempt) -> None:
    line = """
        ask() {
            curl -sS --fail-with-body --unix-socket "$LEASEHOLD_TASK_SOCKET" \\
                -H "Authorization: Bearer $LEASEHOLD_TASK_SECRET" "$@"
        }
        ask -X POST http://task/v1/mask -d '{"value": "sesame"}'
        ask -X POST http://task/v1/label -d '{"label": "plant"}'
        ask -X POST http://task/v1/label -d '{"label": "open sesame, north"}'
    """
    attempt.start(shell(line, env={"WORD": {"kind": "literal", "value": "open sesame"}}))

    ending = attempt.wait()

    shown = Rendered.model_validate_json((attempt.path / "rendered.json").read_bytes())
    assert ending["label"] == "open ***, north", attempt.log
    assert {field.name: field.text for field in shown.fields}["env.WORD"] == "open ***"
