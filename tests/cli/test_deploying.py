"""Checking and deploying a DAG file: mistakes are pointed at, a bundle is sent only where it is missing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import httpx
import pytest
import respx

from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.runs import Deploy, DeployedDag
from tests.cli.answers import refused, said
from tests.cli.conftest import Leasehold

GOOD = """\
from leasehold import dag, task


@task(connections=["plant_db"], retries=2)
def read(day: str) -> int:
    return len(day)


@dag
def report(day: str = "2026-11-02"):
    read(day)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a good DAG."""
    path = tmp_path / "report.py"
    path.write_text(GOOD)
    return path


def test_a_good_file_is_fine(leasehold: Leasehold, file: Path) -> None:
    ended = leasehold("check", str(file))

    assert ended.code == 0
    assert "report is fine (1 task)" in ended.out


def test_a_mistake_is_pointed_at_with_its_line_and_its_cure(leasehold: Leasehold, file: Path) -> None:
    file.write_text(GOOD.replace("    read(day)\n", "    if read(day):\n        read(day)\n"))

    ended = leasehold("check", str(file))

    assert ended.code == 1
    assert f"{file}:11:5: a condition" in ended.out
    assert "❱ 11     if read(day):\n         ^^^^^^^^^^^^^\n" in ended.out
    assert "try: " in ended.out


def test_a_syntax_error_is_a_mistake_like_any_other(leasehold: Leasehold, file: Path) -> None:
    file.write_text("def (:\n")

    problems = json.loads(leasehold("check", str(file), "--json").out)["problems"]

    assert [(problem["file"], problem["line"]) for problem in problems] == [(str(file), 1)]


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_a_file_that_is_not_there_is_a_mistake_of_typing(leasehold: Leasehold, tmp_path: Path, name: str) -> None:
    assert leasehold("check", str(tmp_path / name)).code == 2


def test_what_does_not_fit_the_protocol_is_found_before_anything_is_sent(leasehold: Leasehold, file: Path) -> None:
    file.write_text(GOOD.replace("def report(", f"def {'r' * 200}("))

    assert leasehold("check", str(file)).code == 1


def test_a_missing_bundle_is_sent_and_then_the_manifest(author: Leasehold, api: respx.Router, file: Path) -> None:
    bundles = api.route(path__regex=r"/v1/teams/default/bundles/(?P<sha256>[0-9a-f]{64})$")
    bundles.mock(side_effect=lambda request, sha256: httpx.Response(404 if request.method == "HEAD" else 201))
    deploy = api.post("/v1/teams/default/dags").mock(return_value=said(DeployedDag(dag="report", version=1), 201))

    ended = author("deploy", str(file))

    assert ended.code == 0
    assert "leasehold runs trigger report --watch" in ended.out
    head, put = (call.request for call in bundles.calls)
    assert (head.method, put.method) == ("HEAD", "PUT")
    sent = put.content
    sha256 = hashlib.sha256(sent).hexdigest()
    assert put.url.path.endswith(sha256)
    assert put.headers["content-length"] == str(len(sent))
    manifest = Deploy.model_validate_json(deploy.calls.last.request.content).manifest
    assert (manifest.dag, manifest.bundle) == ("report", sha256)
    assert manifest.tasks[0].needs.connections == ["plant_db"]


def test_a_bundle_that_the_api_has_is_not_sent_again(author: Leasehold, api: respx.Router, file: Path) -> None:
    head = api.head(path__startswith="/v1/teams/default/bundles/").mock(return_value=httpx.Response(204))
    unchanged = DeployedDag(dag="report", version=4, unchanged=True)
    api.post("/v1/teams/default/dags").mock(return_value=said(unchanged))

    ended = author("deploy", str(file))

    assert head.call_count == 1
    assert "version 4 is deployed already, unchanged" in ended.out


def test_a_dry_run_needs_no_api(leasehold: Leasehold, file: Path) -> None:
    shown = leasehold("deploy", str(file), "--dry-run")
    manifests = json.loads(leasehold("deploy", str(file), "--dry-run", "--json").out)

    assert shown.code == 0
    assert "Nothing was sent" in shown.out
    assert [manifest["dag"] for manifest in manifests] == ["report"]


def test_a_file_with_mistakes_is_not_deployed(author: Leasehold, file: Path) -> None:
    file.write_text("x = 1\n")

    ended = author("deploy", str(file))

    assert ended.code == 1
    assert "there is no DAG in this file" in ended.err


def test_a_deploy_that_the_api_refuses_says_why(author: Leasehold, api: respx.Router, file: Path) -> None:
    api.head(path__startswith="/v1/teams/default/bundles/").mock(return_value=httpx.Response(204))
    api.post("/v1/teams/default/dags").mock(
        return_value=refused(403, ProblemCode.FORBIDDEN, "Deploying is for authors; you are viewer.")
    )

    ended = author("deploy", str(file))

    assert ended.code == 3
    assert "you are viewer" in ended.err


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A second file, in another folder, with a module of its own of the same name as the first one's."""
    folder = tmp_path / "other"
    folder.mkdir()
    path = folder / "report.py"
    path.write_text(GOOD.replace("def report(", "def second("))
    return path


def test_several_files_are_deployed_one_after_another(
    author: Leasehold, api: respx.Router, file: Path, other: Path
) -> None:
    api.head(path__startswith="/v1/teams/default/bundles/").mock(return_value=httpx.Response(204))
    deploy = api.post("/v1/teams/default/dags").mock(
        side_effect=lambda request: said(
            DeployedDag(dag=Deploy.model_validate_json(request.content).manifest.dag, version=1), 201
        )
    )

    ended = author("deploy", str(file), str(other), str(file))

    assert ended.code == 0
    sent = [Deploy.model_validate_json(call.request.content).manifest.dag for call in deploy.calls]
    assert sent == ["report", "second"]
    assert "second version 1 is deployed" in ended.out


def test_of_several_files_none_is_deployed_when_one_has_a_mistake(author: Leasehold, file: Path, other: Path) -> None:
    other.write_text("x = 1\n")

    ended = author("deploy", str(file), str(other))

    assert ended.code == 1
    assert "there is no DAG in this file" in ended.err


def test_several_files_are_checked_and_all_their_mistakes_shown(
    leasehold: Leasehold, tmp_path: Path, file: Path, other: Path
) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def (:\n")

    fine = leasehold("check", str(file), str(other))
    mixed = json.loads(leasehold("check", str(file), str(bad), str(other), "--json").out)

    assert fine.code == 0
    assert ["is fine" in line for line in fine.out.splitlines()] == [True, True]
    assert (mixed["ok"], mixed["dags"]) == (False, ["report", "second"])
    assert [problem["file"] for problem in mixed["problems"]] == [str(bad)]


def test_two_files_with_a_dag_of_the_same_name_are_a_mistake(leasehold: Leasehold, file: Path, other: Path) -> None:
    other.write_text(GOOD)

    ended = leasehold("check", str(file), str(other))

    assert ended.code == 1
    assert f"{file} has a DAG 'report' as well" in ended.out
