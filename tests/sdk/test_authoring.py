"""What authors write compiles to the protocol's manifest."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from leasehold.authoring.loading import load_file
from leasehold_protocol.v1.manifest import Manifest, ProgramWork, PythonWork, TaskEntry

HEAD = """\
from __future__ import annotations
from datetime import date, timedelta
from typing import Annotated, Literal
from leasehold import chain, dag, program, shell, task

@task
def read(day: str = "") -> list[dict]: return []

@task
def join(*parts: object, **named: object) -> dict: return {}

@task
def clean() -> None: ...

"""


class Author:
    """Writes a DAG file and compiles it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "flow.py"

    def manifests(self, source: str, head: str = HEAD) -> list[Manifest]:
        self.file.write_text(head + textwrap.dedent(source))
        loaded = load_file(self.file)
        assert loaded.problems == ()
        for found in loaded.dags:
            sent = Manifest.model_validate(found.manifest).model_dump(mode="json")
            assert _only_known(found.manifest, sent), "a field that the protocol doesn't know"
        return [Manifest.model_validate(found.manifest) for found in loaded.dags]

    def tasks(self, body: str) -> dict[str, TaskEntry]:
        source = "@dag\ndef flow(day: str = '{{ ds }}', limit: int = 3):\n" + textwrap.indent(
            textwrap.dedent(body), "    "
        )
        (manifest,) = self.manifests(source)
        return {entry.id: entry for entry in manifest.tasks}


def _only_known(given: Any, kept: Any) -> bool:
    if isinstance(given, dict):
        return all(key in kept and _only_known(value, kept[key]) for key, value in given.items())
    if isinstance(given, list):
        return all(_only_known(item, other) for item, other in zip(given, kept, strict=True))
    return bool(given == kept)


@pytest.fixture
def author(tmp_path: Path) -> Author:
    return Author(tmp_path)


def _python(entry: TaskEntry) -> dict[str, Any]:
    assert isinstance(entry.work, PythonWork)
    return entry.work.model_dump(mode="json")


def _program(entry: TaskEntry) -> dict[str, Any]:
    assert isinstance(entry.work, ProgramWork)
    return entry.work.model_dump(mode="json")


def test_a_task_function_becomes_an_entry_that_says_where_it_was_written(author: Author) -> None:
    entry = author.tasks("read('2026-11-22')")["read"]

    assert _python(entry) == {
        "kind": "python",
        "module": "flow",
        "function": "read",
        "args": [{"kind": "literal", "value": "2026-11-22"}],
        "kwargs": {},
        "isolation": "warm",
        "spread": False,
        "follows": {},
    }
    assert (entry.file, entry.line) == ("flow.py", 17)
    assert (entry.retries, entry.timeout_s, entry.needs.runtime) == (0, None, "python")


def test_a_task_may_ask_for_a_new_interpreter(author: Author) -> None:
    entry = author.tasks("read.override(isolation='fresh')('2026-11-22')")["read"]

    assert _python(entry)["isolation"] == "fresh"


def test_results_and_parameters_may_be_deep_inside_arguments(author: Author) -> None:
    tasks = author.tasks("""
        rows = read(day)
        join([rows, {"limit": limit, "fixed": (1, date(2026, 11, 22))}], late=rows.output("late"), name=f"north-{day}")
    """)

    work = _python(tasks["join"])
    result = {"kind": "result", "task": "read", "key": "return_value"}
    assert work["args"][0]["items"][0] == result
    assert work["args"][0]["items"][1]["items"] == {
        "limit": {"kind": "param", "name": "limit"},
        "fixed": {
            "kind": "literal",
            "value": {"$type": "tuple", "value": [1, {"$type": "date", "value": "2026-11-22"}]},
        },
    }
    assert work["kwargs"]["late"] == {**result, "key": "late"}
    assert work["kwargs"]["name"] == {"kind": "template", "text": "north-{{ params.day }}"}
    assert tasks["join"].upstream == ["read"]


def test_order_without_data_is_written_with_arrows_lists_and_chain(author: Author) -> None:
    tasks = author.tasks("""
        a, b, c, d, e = (shell("true", id=name) for name in "abcde")
        [a, b] >> c >> [d, e]
        chain(d, clean(), [clean(), clean()])
        e << a
    """)

    assert {name: entry.upstream for name, entry in tasks.items()} == {
        "a": [],
        "b": [],
        "c": ["a", "b"],
        "d": ["c"],
        "e": ["c", "a"],
        "clean": ["d"],
        "clean__1": ["clean"],
        "clean__2": ["clean"],
    }


def test_a_task_called_again_gets_a_number_and_an_overridden_one_its_own_name(author: Author) -> None:
    tasks = author.tasks("""
        read()
        read()
        read.override(id="read_north", priority=10)()
        read.override(retries=1)()
        shell("true")
        shell("true")
    """)

    assert list(tasks) == ["read", "read__1", "read_north", "read__2", "shell", "shell__1"]
    assert tasks["read_north"].priority == 10


def test_options_become_seconds_labels_and_lists(author: Author) -> None:
    (manifest,) = author.manifests("""
        @task(id="load", connections=["plant_db"], variables=("plant/limit",), retries=3, retry_delay="10m",
              timeout=timedelta(hours=1), max_offline=3600, priority=-5, trigger_rule="all_done", id_tokens=["https://v.example"],
              needs={"os": "linux", "memory": ">=8GiB", "gpu": True, "cores": 4}, runtime="python")
        def _load() -> None: ...

        @dag
        def flow(): _load()
    """)

    (entry,) = manifest.tasks
    assert entry.model_dump(include={"id", "retries", "retry_delay_s", "timeout_s", "max_offline_s", "priority"}) == {
        "id": "load",
        "retries": 3,
        "retry_delay_s": 600.0,
        "timeout_s": 3600.0,
        "max_offline_s": 3600.0,
        "priority": -5,
    }
    assert entry.needs.connections == ["plant_db"]
    assert entry.needs.labels == {"os": "linux", "memory": ">=8GiB", "gpu": "true", "cores": "4"}
    assert (entry.variables, entry.trigger_rule) == (["plant/limit"], "all_done")
    assert entry.id_tokens == ["https://v.example"]
    assert _python(entry)["function"] == "_load"


def test_a_shell_line_is_a_template_and_its_environment_takes_results(author: Author) -> None:
    tasks = author.tasks("""
        rows = read()
        shell("gzip -9 > {{ ds }}.gz", id="pack", env={"ROWS": rows, "LIMIT": limit}, result="nothing", timeout="5m",
              connections=["store"])
    """)

    assert _program(tasks["pack"]) == {
        "kind": "program",
        "argv": [{"kind": "template", "text": "gzip -9 > {{ ds }}.gz"}],
        "shell": True,
        "env": {
            "ROWS": {"kind": "result", "task": "read", "key": "return_value"},
            "LIMIT": {"kind": "param", "name": "limit"},
        },
        "result": "nothing",
        "spread": False,
    }
    assert tasks["pack"].needs.model_dump() == {"connections": ["store"], "labels": {}, "runtime": "program"}
    assert (tasks["pack"].upstream, tasks["pack"].timeout_s) == (["read"], 300.0)


def test_a_program_takes_an_argument_vector_and_is_named_after_it(author: Author) -> None:
    tasks = author.tasks("""
        rows = program(["/usr/bin/find", day, "-size", 3], result="json")
        join(rows)
    """)

    work = _program(tasks["find"])
    assert work["argv"] == [
        {"kind": "literal", "value": "/usr/bin/find"},
        {"kind": "param", "name": "day"},
        {"kind": "literal", "value": "-size"},
        {"kind": "literal", "value": 3},
    ]
    assert (work["shell"], work["result"], tasks["join"].upstream) == (False, "json", ["find"])


def test_typed_parameters_become_a_json_schema_with_defaults(author: Author) -> None:
    (manifest,) = author.manifests('''
        @dag(name="north.report")
        def flow(
            site: Literal["north", "south"],
            count: Annotated[int, "how many rows"],
            day: str = "{{ ds }}",
            factor: float = 1,
            tags: list[str] | None = None,
            limits: dict[str, float] = {"upper": 80},
            anything=None,
        ):
            """Report on the north.

            In detail.
            """
            read(day)
    ''')

    assert (manifest.dag, manifest.description) == ("north.report", "Report on the north.")
    assert manifest.params_schema == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "site": {"enum": ["north", "south"]},
            "count": {"type": "integer", "description": "how many rows"},
            "day": {"type": "string", "default": "{{ ds }}"},
            "factor": {"type": "number", "default": 1},
            "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
            "limits": {"type": "object", "additionalProperties": {"type": "number"}, "default": {"upper": 80}},
            "anything": {"default": None},
        },
        "required": ["site", "count"],
        "additionalProperties": False,
    }


def test_a_file_may_hold_several_dags_and_says_what_python_it_needs(author: Author) -> None:
    head = (
        '# /// script\n# requires-python = ">=3.11"\n# dependencies = []\n# ///\n"""What the file is for."""\n'
        + HEAD.split("\n", 1)[1]
    )

    first, second = author.manifests("@dag\ndef one(): read()\n\n@dag\ndef two(): clean()\n\none()\n", head)

    assert (first.dag, second.dag) == ("one", "two")
    assert first.requires_python == ">=3.11"
    assert first.description == "What the file is for."
    assert first.bundle == second.bundle is not None


def test_a_dag_of_programs_alone_needs_no_bundle(author: Author) -> None:
    (manifest,) = author.manifests("@dag\ndef flow(): shell('true')\n")

    assert manifest.bundle is None


def test_a_task_called_outside_a_dag_just_runs() -> None:
    from leasehold import task

    @task(retries=3)
    def double(number: int) -> int:
        """Twice as much."""
        return number * 2

    assert double(21) == 42
    assert (double.__name__, double.__doc__) == ("double", "Twice as much.")


def test_the_same_file_always_compiles_to_the_same_manifest(author: Author) -> None:
    source = "@dag\ndef flow(day: str = ''): join(read(day), clean(), {'a': {1, 2, 3}})\n"

    assert author.manifests(source) == author.manifests(source)
