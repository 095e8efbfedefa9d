"""Locking dependencies, and packing them up: with real uv, from tiny wheels beside the file, without any network."""

from __future__ import annotations

import hashlib
import json
import zipfile
from io import BytesIO
from pathlib import Path

import httpx
import pytest
import respx

from leasehold.cli.environments import locking
from leasehold.runtime.rules.locks import BadLockError, locked_packages, wanted_environment
from leasehold_protocol.v1.runs import Deploy, DeployedDag
from tests.cli.answers import said
from tests.cli.conftest import Leasehold
from tests.support.wheels import make_wheel

FILE = """\
# /// script
# requires-python = ">=3.11"
# dependencies = {dependencies}
# [tool.leasehold]
# find-links = ["packages"]
# no-index = true
# wheels = true
# ///
from leasehold import dag, task


@task
def mix() -> str:
    import paint
    return paint.VERSION


@dag
def painting():
    mix()
"""


def write(folder: Path, *dependencies: str) -> Path:
    """Write the DAG file."""
    file = folder / "painting.py"
    file.write_text(FILE.format(dependencies=json.dumps(dependencies)))
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A DAG that depends on a package that depends on another."""
    make_wheel(tmp_path / "packages", "colours", "1.0")
    make_wheel(tmp_path / "packages", "colours", "2.0")
    make_wheel(tmp_path / "packages", "paint", "1.0", requires=["colours"])
    return write(tmp_path, "paint", "leasehold")


def test_a_lock_is_written_with_all_that_is_needed_and_kept_when_something_newer_is_there(
    leasehold: Leasehold, file: Path
) -> None:
    first = json.loads(leasehold("lock", str(file), "--json").out)
    make_wheel(file.parent / "packages", "colours", "3.0")
    again = json.loads(leasehold("lock", str(file), "--json").out)
    upgraded = json.loads(leasehold("lock", str(file), "--upgrade", "--json").out)

    versions = [{each["name"]: each["version"] for each in one["packages"]} for one in (first, again, upgraded)]
    assert versions == [{"colours": "2.0", "paint": "1.0"}] * 2 + [{"colours": "3.0", "paint": "1.0"}]
    assert [one["changed"] for one in (first, again, upgraded)] == [True, False, True]


def test_a_lock_is_made_once_for_the_same_dependencies(
    leasehold: Leasehold, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = leasehold("deploy", str(file), "--dry-run", "--json")
    monkeypatch.setattr(locking, "find_uv", lambda: None)

    again = leasehold("deploy", str(file), "--dry-run", "--json")
    other = leasehold("deploy", str(write(file.parent, "colours")), "--dry-run")

    assert json.loads(first.out) == json.loads(again.out)
    assert other.code == 1
    assert "no uv on this machine" in other.err
    assert "pip install uv" in other.err


def test_a_locked_deploy_refuses_a_lock_that_is_missing_or_stale(leasehold: Leasehold, file: Path) -> None:
    missing = leasehold("deploy", str(file), "--locked", "--dry-run")
    leasehold("lock", str(file))
    good = leasehold("deploy", str(file), "--locked", "--dry-run")
    stale = leasehold("deploy", str(write(file.parent, "paint", "colours<2")), "--locked", "--dry-run")

    assert [ended.code for ended in (missing, good, stale)] == [1, 0, 1]
    assert "there is no painting.py.lock" in missing.err
    assert "was made of other dependencies" in stale.err
    assert "leasehold lock" in stale.err


def test_dependencies_that_contradict_each_other_are_explained(leasehold: Leasehold, file: Path) -> None:
    ended = leasehold("lock", str(write(file.parent, "colours<2", "colours>=2")))

    assert ended.code == 1
    assert "can't be locked" in ended.err
    assert "colours" in ended.err


@pytest.mark.parametrize("text", ["", "version = 1\n[[package]]\n", "\x00"])
def test_a_lock_of_another_program_is_left_alone(leasehold: Leasehold, file: Path, text: str) -> None:
    theirs = file.with_name("painting.py.lock")
    theirs.write_text(text)

    ended = leasehold("lock", str(file))

    assert ended.code == 2
    assert "is not a lock of Leasehold's" in ended.err
    assert theirs.read_text() == text


def test_a_folder_of_find_links_that_is_not_there_is_named(leasehold: Leasehold, file: Path) -> None:
    (file.parent / "packages").rename(file.parent / "elsewhere")

    ended = leasehold("lock", str(file))

    assert ended.code == 2
    assert "find-links names" in ended.err


def test_a_file_without_dependencies_has_nothing_to_lock(leasehold: Leasehold, tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_text(file.read_text().replace("    import paint\n", "").replace("paint.VERSION", "''"))

    ended = leasehold("lock", str(file))

    assert ended.code == 1
    assert "has no dependencies to lock" in ended.err


def test_only_wheels_that_the_api_has_not_are_sent(author: Leasehold, api: respx.Router, file: Path) -> None:
    there = hashlib.sha256((file.parent / "packages/colours-2.0-py3-none-any.whl").read_bytes()).hexdigest()
    sent: dict[str, bytes] = {}

    def blob(request: httpx.Request, sha256: str) -> httpx.Response:
        if request.method == "HEAD":
            return httpx.Response(204 if sha256 == there else 404)
        sent[sha256] = request.content
        return httpx.Response(201)

    api.route(path__regex=r"/v1/teams/default/bundles/(?P<sha256>[0-9a-f]{64})$").mock(side_effect=blob)
    deploy = api.post("/v1/teams/default/dags").mock(return_value=said(DeployedDag(dag="painting", version=1), 201))

    ended = author("deploy", str(file))

    assert ended.code == 0, ended.err
    manifest = Deploy.model_validate_json(deploy.calls.last.request.content).manifest
    names = {each.name: each.sha256 for each in manifest.wheels}
    assert sorted(names) == ["colours-2.0-py3-none-any.whl", "paint-1.0-py3-none-any.whl"]
    assert there not in sent
    assert set(sent) == {names["paint-1.0-py3-none-any.whl"], manifest.bundle}
    with zipfile.ZipFile(BytesIO(sent[str(manifest.bundle)])) as archive:
        wanted = wanted_environment(archive.read(".leasehold/environment.json"))
    assert (wanted.requires_python, dict(wanted.wheels)) == (">=3.11", names)
    assert hashlib.sha256(wanted.lock.encode()).hexdigest() == manifest.lock
    assert manifest.dependencies == ["paint"]


def test_a_wheel_that_was_built_again_is_found_before_anything_is_sent(leasehold: Leasehold, file: Path) -> None:
    leasehold("lock", str(file))
    make_wheel(file.parent / "packages", "paint", "1.0", requires=["colours"], code="CHANGED = True")

    ended = leasehold("deploy", str(file), "--dry-run")

    assert ended.code == 1
    assert "No wheel with a hash of the lock was found for paint 1.0" in ended.err
    assert leasehold("deploy", str(file), "--dry-run", "--no-wheels").code == 0


def test_a_lock_is_read_with_its_markers_and_extras() -> None:
    digest = "ab" * 32
    text = (
        f"# note\nA_b[x]==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{digest}\n"
        f"c==2 --hash=sha256:{digest}\n"
    )

    first, second = locked_packages(text)

    assert (first.name, first.version, first.is_conditional, len(first.hashes)) == ("a-b", "1.0", True, 1)
    assert not second.is_conditional
    with pytest.raises(BadLockError):
        locked_packages("a==1.0\n")
