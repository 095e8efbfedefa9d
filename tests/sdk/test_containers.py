"""``container``: what it compiles to, what is wrong with one, and how it runs in a test."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from leasehold import container, dag, task
from leasehold.authoring.containers import _read  # pyright: ignore[reportPrivateUsage]  # held to the protocol's pattern
from leasehold.authoring.loading import load_file
from leasehold.testing import run
from leasehold_protocol.v1.containers import Image
from leasehold_protocol.v1.manifest import ContainerWork, Manifest, TaskEntry
from tests.sdk.test_problems import in_body, problems_of
from tests.support.containers.engine_in_place import EngineInPlace

HEAD = "from leasehold import container, dag, task\n\n@task\ndef read(): return [1]\n\n"
DIGEST = "sha256:" + "0a" * 32
IMAGE = "localhost/tools:1"


def entry_of(folder: Path, line: str, dag_line: str = "def flow(day: str = '{{ ds }}'):") -> TaskEntry:
    file = folder / "flow.py"
    file.write_text(f"{HEAD}@dag\n{dag_line}\n    {line}\n")
    loaded = load_file(file)
    assert loaded.problems == ()
    return Manifest.model_validate(loaded.dags[0].manifest).tasks[-1]


def test_it_compiles_to_an_entry_that_only_sites_with_an_engine_fit(tmp_path: Path) -> None:
    line = "container('r.example.com:5000/a/ffmpeg:7', command=['-i', read(), day], env={'A': day}, timeout='5m')"

    entry = entry_of(tmp_path, line)

    assert isinstance(entry.work, ContainerWork)
    assert (entry.id, entry.work.image, entry.work.entrypoint) == ("ffmpeg", "r.example.com:5000/a/ffmpeg:7", None)
    assert [one.kind for one in entry.work.argv] == ["literal", "result", "param"]
    assert (entry.needs.runtime, entry.upstream, entry.timeout_s) == ("container", ["read"], 300)


def test_it_can_be_mapped(tmp_path: Path) -> None:
    line = "container.partial('alpine', command=['gzip', '{{ item.FILE }}'], entrypoint='/bin/sh').expand(FILE=read())"

    entry = entry_of(tmp_path, line)

    assert entry.mapped is not None
    assert isinstance(entry.work, ContainerWork)
    assert (entry.id, entry.work.entrypoint, list(entry.work.env)) == ("alpine", "/bin/sh", ["FILE"])


@pytest.mark.parametrize(
    ("line", "message", "cure"),
    [
        ("container('Alpine')", "'Alpine' is no image: names of images are in lower case", "Write it like"),
        ("container('')", "it is not text", ""),
        ("container(3)", "it is not text", ""),
        ("container('https://r.example.com/a')", "it has no scheme", ""),
        ("container('a:{{ ds }}')", "it is not rendered", ""),
        ("container('a@sha256:12')", "after @ comes sha256: and 64 digits", ""),
        ("container('a:-1')", "the tag '-1' may have", ""),
        ("container('--privileged')", "'--privileged' can't be a part of its name", ""),
        ("container('r.example.com:x/a')", "'x' is no port", ""),
        ("container('a//b')", "'' can't be a part", ""),
        ("container('a', command='ls -l')", "takes command= as a list", "sh"),
        ("container('a', entrypoint='{{ ds }}')", "is no program", "entrypoint="),
        ("container('a', isolation='fresh')", "isolation is for @task functions", "container"),
        ("container('a', env={'A-B': 1})", "'A-B' can't name an environment variable", ""),
        ("container('a', command=[object()])", "command[0] is a builtins.object", ""),
    ],
)
def test_a_mistake_is_found_before_anything_is_sent(tmp_path: Path, line: str, message: str, cure: str) -> None:
    (problem,) = problems_of(tmp_path, in_body(line), head=HEAD)

    assert message in problem.message
    assert cure in (problem.cure or "")
    assert problem.line == HEAD.count("\n") + 3


@pytest.mark.parametrize("name", ["alpine", "my_image:1.2-rc", f"r.io/a/b@{DIGEST}", f"localhost:5000/x:1@{DIGEST}"])
def test_usual_names_are_images(name: str) -> None:
    assert _read(name)[1] is None
    assert TypeAdapter(Image).validate_python(name) == name


@given(st.from_regex(re.compile(r"[a-zA-Z0-9._:/@\-]{1,40}"), fullmatch=True))
def test_authors_and_the_protocol_agree_on_what_an_image_is(name: str) -> None:
    try:
        TypeAdapter(Image).validate_python(name)
    except ValidationError:
        assert _read(name)[1] is not None
    else:
        assert _read(name)[1] is None


@task
def rows() -> list[int]:
    return [1, 2]


@dag
def boxes() -> None:
    container(IMAGE, command=["sh", "-c", 'echo "$ROWS in a box"'], env={"ROWS": rows()}, id="box")
    container(IMAGE, command=["sleep", "600"], timeout=0.5, id="slow")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    engine = EngineInPlace(tmp_path, name="podman")
    engine.start()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    yield engine
    engine.close()


def test_in_a_test_it_runs_by_this_machines_engine(engine: EngineInPlace) -> None:
    result: Any = run(boxes, raise_on_failure=False)

    assert result.tasks["box"].result == "[1,2] in a box"
    assert (result.tasks["slow"].state, result.tasks["slow"].error) == (
        "failed",
        "the task ran longer than its time-out of 0.5 s",
    )
    assert engine.names() == []


def test_without_an_engine_a_test_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)

    result: Any = run(boxes, only=["box"], results={"rows": [1]}, raise_on_failure=False)

    assert "neither podman nor docker" in result.tasks["box"].error
    assert "results={'box': …}" in result.tasks["box"].error
