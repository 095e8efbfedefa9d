"""The pytest plugin: fixtures that run DAGs and stand in for a running task. Imports nothing of ours until it is used.

def test_a_dag(leasehold_run):
    assert leasehold_run(weather).state == "success"

@pytest.mark.leasehold(connections={"plant_db": "sqlite:///…"})
def test_a_function_that_asks(task_context):
    refresh_cache()
    assert "refreshed" in task_context.log
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from leasehold.testing.fake_task import FakeTask
    from leasehold.testing.results import RunResult

_MARKER = "leasehold(connections=None, variables=None, …): what leasehold_run and task_context give to tasks"
_OF_BOTH = ("connections", "variables", "id_tokens", "logical_date", "runs", "dags")
_OF_A_RUN = (*_OF_BOTH, "events", "answers")
_OF_A_TASK = (*_OF_BOTH, "xcoms", "params", "task", "try_number", "work_dir", "downstream")
_OF_THE_MARKER = tuple(dict.fromkeys((*_OF_A_RUN, *_OF_A_TASK)))


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


class Runner:
    """Runs DAGs with what the test's markers give."""

    def __init__(self, marked: dict[str, Any]) -> None:
        self._marked = marked

    def __call__(self, dag: Any, **given: Any) -> RunResult:
        """Run ``dag``; see ``leasehold.testing.run``. What is given here is added to what the markers give."""
        __tracebackhide__ = True
        from leasehold.testing.running import run

        return run(dag, **_merged({name: self._marked[name] for name in _OF_A_RUN if name in self._marked}, given))


@pytest.fixture
def leasehold_run(request: pytest.FixtureRequest) -> Runner:
    """``leasehold.testing.run`` with what the marker ``leasehold`` gives."""
    return Runner(_marked(request))


@pytest.fixture
def task_context(request: pytest.FixtureRequest) -> Iterator[FakeTask]:
    """A running task: the SDK's calls reach it while the test runs."""
    from leasehold.testing.fake_task import FakeTask

    with FakeTask(**{name: value for name, value in _marked(request).items() if name in _OF_A_TASK}) as task:
        yield task


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what the markers give; the nearest wins, name by name."""
    marked: dict[str, Any] = {}
    for marker in reversed([*request.node.iter_markers("leasehold")]):
        unknown = [name for name in marker.kwargs if name not in _OF_THE_MARKER]
        if marker.args or unknown:
            what = f"has no {unknown[0]!r}" if unknown else "takes names only, like connections={…}"
            raise pytest.UsageError(f"the marker leasehold {what}; it has: {', '.join(_OF_THE_MARKER)}")
        marked = _merged(marked, marker.kwargs)
    return marked


def _merged(first: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for name, value in more.items():
        before = merged.get(name)
        merged[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return merged
