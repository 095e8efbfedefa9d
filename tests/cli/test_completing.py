"""Shell completion knows the names of the team, and is never in the way."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
import respx

from leasehold.cli import completing
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.runs import DagList, DagSummary
from tests.cli.answers import NOON, refused, said
from tests.cli.conftest import Leasehold


def dags(*names: str) -> httpx.Response:
    items = [DagSummary(dag=name, version=1, tasks=1, deployed_at=NOON, deployed_by="ada") for name in names]
    return said(DagList(items=items))


def test_names_that_begin_so_are_offered_and_asked_for_once(author: Leasehold, api: respx.Router) -> None:
    asked = api.get("/v1/teams/default/dags").mock(return_value=dags("sensor_report", "sensors", "billing"))

    assert completing.dags("sens") == ["sensor_report", "sensors"]
    assert completing.dags("bil") == ["billing"]
    assert asked.call_count == 1


def test_names_that_are_old_are_asked_for_again(
    author: Leasehold, api: respx.Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.get("/v1/teams/default/dags").mock(side_effect=[dags("old"), dags("new")])
    assert completing.dags("") == ["old"]

    monkeypatch.setattr(completing, "GOOD_FOR_S", 0.0)

    assert completing.dags("") == ["new"]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.Response(502, text="<html>"),
        refused(401, ProblemCode.UNAUTHENTICATED, "Who are you?"),
    ],
)
def test_an_api_that_does_not_answer_is_no_word_in_the_persons_line(
    author: Leasehold, api: respx.Router, capsys: pytest.CaptureFixture[str], answer: httpx.Response | Exception
) -> None:
    route = api.get("/v1/teams/default/dags")
    route.mock(**({"side_effect": answer} if isinstance(answer, Exception) else {"return_value": answer}))

    assert completing.dags("") == []
    assert capsys.readouterr() == ("", "")


def test_who_is_not_signed_in_gets_no_names(leasehold: Leasehold) -> None:
    assert completing.runs("") == []


@pytest.mark.parametrize("content", ["{", "[1]", '{"x": 3}'])
def test_a_cache_that_can_not_be_read_is_made_anew(
    author: Leasehold, api: respx.Router, tmp_path: Path, content: str
) -> None:
    cache = tmp_path / "config" / completing.FILE
    cache.parent.mkdir()
    cache.write_text(content)
    api.get("/v1/teams/default/dags").mock(return_value=dags("one"))

    assert completing.dags("") == ["one"]
    assert any(
        kept.get("names") == ["one"] for kept in json.loads(cache.read_text()).values() if isinstance(kept, dict)
    )


def test_the_shell_is_offered_the_names(author: Leasehold, api: respx.Router, monkeypatch: pytest.MonkeyPatch) -> None:
    api.get("/v1/teams/default/dags").mock(return_value=dags("sensor_report", "billing"))
    monkeypatch.setenv("_LEASEHOLD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "leasehold dags show sens")
    monkeypatch.setenv("COMP_CWORD", "3")

    assert author().out.split() == ["sensor_report"]
