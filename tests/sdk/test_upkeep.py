"""What a DAG says about its runs as a whole is checked where it is written."""

from __future__ import annotations

from typing import Any

import pytest

from leasehold.authoring.dags import dag
from leasehold.authoring.mistakes import AuthoringError


def test_targets_and_retention_become_fields_of_the_manifest() -> None:
    @dag(on_failure=["https://hooks.example.org/a", "alerts"], on_retry="alerts", retention="90d")
    def report() -> None: ...

    assert report.fields == {
        "on_failure": ["https://hooks.example.org/a", "alerts"],
        "on_retry": ["alerts"],
        "retention_days": 90.0,
    }


def test_a_dag_that_says_nothing_leaves_the_manifest_as_it_was() -> None:
    @dag
    def report() -> None: ...

    assert report.fields == {}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"on_failure": "ftp://x/y"}, "ftp:// can't be told"),
        ({"on_failure": "https://user:pass@x/y"}, "put it into a connection"),
        ({"on_success": "https://x/y?token=s3cret"}, "put it into a connection"),
        ({"on_retry": "no such name"}, "neither an address nor a name"),
        ({"on_failure": [3]}, "is no target"),
        ({"on_failure": ["alerts"] * 11}, "more than 10"),
        ({"on_failure": "https:///path"}, "no address"),
        ({"retention": "soon"}, "retention='soon'"),
        ({"retention": 0}, "like '90d'"),
    ],
)
def test_what_cannot_be_used_is_told_at_its_line(said: dict[str, Any], told: str) -> None:
    def report() -> None: ...

    with pytest.raises(AuthoringError) as mistake:
        dag(**said)(report)

    assert told in str(mistake.value)
    assert "s3cret" not in str(mistake.value)
