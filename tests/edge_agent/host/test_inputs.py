"""What an instance of a mapped task is given, and what is fetched for it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from leasehold_agent.host.allowed import ProgramRule
from leasehold_agent.host.inputs import Inputs
from leasehold_agent.host.launching import RefusedByPolicyError, permitted
from leasehold_agent.host.lease import HostLease, read_lease
from leasehold_agent.host.task_context import task_context
from leasehold_agent.runtimes.port import Launch, RuntimeMissingError, WorkRefusedError

RESULT = {"kind": "result", "task": "find", "key": "return_value"}
RESULTS = {"kind": "results", "task": "read", "key": "return_value"}
ITEM = {"kind": "item", "name": "FILE"}


def lease(folder: Path, source: dict[str, Any], part: dict[str, Any], **more: Any) -> HostLease:
    """Return a lease of a program that is mapped over one source."""
    work = {"kind": "program", "argv": [{"kind": "literal", "value": "true"}], "env": {"FILE": ITEM}}
    task = {
        "id": "load",
        "work": work,
        "mapped": {"axes": [{"name": "FILE", "source": source}], "label": "{{ item.FILE }}"},
    }
    written = {
        "attempt": "ti_1.1",
        "task_instance": "ti_1",
        "map_index": 1,
        "item": [part],
        "try_number": 1,
        "run": {},
        "task": task,
        "deadline_boottime_s": 0,
        **more,
    }
    (folder / "lease.json").write_text(json.dumps(written))
    return read_lease(folder / "lease.json")


async def fetched(given: HostLease, answers: dict[str, Any]) -> Inputs:
    """Fetch what a lease lacks from an API that has these answers, and choose the item."""
    inputs = Inputs(given)

    async def ask(_: str, path: str) -> dict[str, object]:
        return {"status": 200, "body": answers[path]} if path in answers else {"status": 404, "body": "no such value"}

    await inputs.fetch(ask, asyncio.Event(), lambda name: json.loads(Path(name).read_text()), lambda _: None)
    inputs.choose(task_context(given, work_dir="/", fetched=inputs.fetched))
    return inputs


async def test_an_item_of_a_large_result_is_found_in_the_whole(tmp_path: Path) -> None:
    given = lease(tmp_path, RESULT, {"index": 1})
    where = "/v1/xcoms/return_value?task=find&map_index=-1"

    inputs = await fetched(given, {where: {"value": ["a.csv", "b.csv\n"]}})

    assert inputs.item == {"FILE": "b.csv\n"}
    assert inputs.label(task_context(given, work_dir="/", fetched={}, item=inputs.item)) == "b.csv "


async def test_a_large_result_of_an_instance_is_the_item(tmp_path: Path) -> None:
    given = lease(tmp_path, RESULTS, {"index": 1, "map_index": 4})
    where = "/v1/xcoms/return_value?task=read&map_index=4"

    assert (await fetched(given, {where: {"value": "long"}})).item == {"FILE": "long"}


async def test_an_item_that_is_gone_is_said(tmp_path: Path) -> None:
    where = "/v1/xcoms/return_value?task=find&map_index=-1"

    with pytest.raises(WorkRefusedError, match="no item 1 any more"):
        await fetched(lease(tmp_path, RESULT, {"index": 1}), {where: {"value": ["a.csv"]}})
    with pytest.raises(RuntimeMissingError, match="no such value"):
        await fetched(lease(tmp_path, RESULT, {"index": 1}), {})


async def test_a_program_gets_all_that_a_mapped_task_left_page_by_page(tmp_path: Path) -> None:
    several = {"task": "read", "size": 9, "inline": False, "mapped": True}
    given = lease(tmp_path, RESULT, {"index": 0, "given": True, "value": "a.csv"}, inputs=[several])
    where = "/v1/mapped-xcoms/return_value?task=read&offset="
    pages = {
        f"{where}0": {"count": 3, "items": [{"inline": True, "value": 1}, {"inline": True, "value": 2}]},
        f"{where}2": {"count": 3, "items": [{"inline": True, "value": 3}]},
    }

    inputs = await fetched(given, pages)

    assert inputs.fetched == {"read/return_value": [1, 2, 3]}


def test_the_sites_policy_sees_the_variables_that_an_item_names(tmp_path: Path) -> None:
    given = lease(tmp_path, RESULT, {"index": 0})
    work = {**given.work, "spread": True}
    rule = ProgramRule(path="/bin/*", args=None, env=("FILE",))
    spread = HostLease(**{name: getattr(given, name) for name in given.__slots__} | {"work": work, "programs": (rule,)})
    launch = Launch(argv=("/bin/true",), env={"PATH": "/bin"}, cwd="/")

    assert permitted(launch, spread, {"item": {"FILE": "a"}}).argv[0] == "/bin/true"
    with pytest.raises(RefusedByPolicyError, match="LD_PRELOAD"):
        permitted(launch, spread, {"item": {"LD_PRELOAD": "a"}})
