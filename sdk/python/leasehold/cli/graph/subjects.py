"""What is drawn: the tasks of a manifest, or those of a run with the states of their instances."""

from __future__ import annotations

from leasehold.cli.graph.picture import Drawn
from leasehold_protocol.v1.manifest import Manifest, ProgramWork, Work
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.runs import RunDetail, TaskInstance


def kind_of(work: Work) -> str:
    """Return what a task is, in the author's word."""
    return "shell" if isinstance(work, ProgramWork) and work.shell else work.kind


def tasks_of_dag(manifest: Manifest) -> list[Drawn]:
    """Return the tasks of a DAG; what is no function says what it is."""
    return [
        Drawn(
            name=task.id,
            upstream=tuple(task.upstream),
            kind="" if (kind := kind_of(task.work)) == "python" else f"({kind})",
        )
        for task in manifest.tasks
    ]


def tasks_of_run(run: RunDetail) -> list[Drawn]:
    """Return the tasks of a run; the instances of an expanded one are one."""
    by_name: dict[str, list[TaskInstance]] = {}
    for instance in run.tasks:
        by_name.setdefault(instance.task, []).append(instance)
    return [
        Drawn(
            name=name,
            upstream=tuple(dict.fromkeys(upstream for one in instances for upstream in one.upstream)),
            states=tuple(one.state.value for one in instances),
        )
        for name, instances in by_name.items()
    ]


def as_data(tasks: list[Drawn]) -> Json:
    """Return the same for programs: tasks, and arrows from one to another."""
    return {
        "tasks": [{"task": task.name, "states": list(task.states)} for task in tasks],
        "arrows": [[before, task.name] for task in tasks for before in task.upstream],
    }
