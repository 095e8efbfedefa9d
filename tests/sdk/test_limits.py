"""Limits and effort as authors write them: what they compile to, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasehold import context, dag, task
from leasehold.authoring.loading import load_file
from leasehold.testing import run
from leasehold_protocol.signed.canonical import canonical
from leasehold_protocol.v1.manifest import Manifest

FILE = """\
from leasehold import dag, task


@task(pool="db", pool_slots=2, queue_timeout="10m", retries=4, retry_backoff="exponential", max_retry_delay="1h",
      max_active_tis_per_dag=3, max_active_tis_per_dagrun=2)
def limited(): ...


@task
def plain(): ...


@dag(max_active_tasks=16, max_active_tasks_per_dag=64)
def nightly():
    limited() >> plain()
"""


def test_what_an_author_says_is_in_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "nightly.py").write_text(FILE)

    [loaded] = load_file(tmp_path / "nightly.py").dags
    manifest = Manifest.model_validate(loaded.manifest)

    limited, plain = manifest.tasks
    assert (manifest.max_active_tasks, manifest.max_active_tasks_per_dag) == (16, 64)
    assert (limited.pool, limited.pool_slots, limited.queue_timeout_s) == ("db", 2, 600.0)
    assert (limited.retry_backoff, limited.max_retry_delay_s) == ("exponential", 3600.0)
    assert (limited.max_active_tis_per_dag, limited.max_active_tis_per_dagrun) == (3, 2)
    assert b"pool" not in canonical(plain), "what is not said does not change what is signed"


@task(retries=4, retry_backoff="exponential", pool="db")
def fails_three_times() -> None:
    if context().try_number < 4:
        raise RuntimeError("not yet")


@dag
def patient() -> None:
    fails_three_times()


def test_a_run_in_one_process_waits_ever_longer_between_tries() -> None:
    found = run(patient).tasks["fails_three_times"]

    assert (found.state, found.tries) == ("success", 4)
    assert 0.75 * 210 <= found.waited_s <= 210, "30 s, 60 s and 120 s, each a little less"


@pytest.mark.parametrize(
    ("options", "told", "cure"),
    [
        ("pool_slots=2", "pool_slots= needs a pool", 'pool="NAME"'),
        ("pool='no name'", "can't be a name", ""),
        ("pool='db', pool_slots=0", "a whole number from 1 to 100000", ""),
        ("retry_backoff='double'", '"constant" or "exponential"', ""),
        ("retry_exponential_backoff=True", "there is no option", 'retry_backoff="exponential"'),
        ("queue_timeot='5m'", "there is no option", "Did you mean 'queue_timeout'?"),
        ("max_active_tasks=2", "there is no option", "of @dag"),
        ("queue_timeout='0s'", "more than 0", ""),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_cure(tmp_path: Path, options: str, told: str, cure: str) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        f"from leasehold import dag, task\n\n\n@task({options})\ndef f(): ...\n\n\n@dag\ndef d():\n    f()\n"
    )

    [problem, *_] = load_file(file).problems

    assert told in f"{problem.message} {problem.cure}"
    assert cure in str(problem.cure)
    assert problem.line == 4


def test_a_limit_of_a_dag_is_a_number(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text("from leasehold import dag\n\n\n@dag(max_active_tasks=0)\ndef d(): ...\n")

    [problem, *_] = load_file(file).problems

    assert "max_active_tasks=0: a whole number from 1 to 100000 is needed" in problem.message
