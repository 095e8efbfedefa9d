"""The examples of docs/reference/task-protocol.md work, in a real attempt; its tables are the code's."""

from __future__ import annotations

import re
from pathlib import Path

from leasehold.runtime.rules.endings import ENDING_KINDS
from leasehold.runtime.rules.telling import LEVELS, METRIC_KINDS
from leasehold_agent.host.launching import environment
from leasehold_protocol.v1.leases import Input
from leasehold_protocol.v1.manifest import LiteralValue, ProgramWork
from tests.conformance.bindings import SUITE, Agent
from tests.edge_agent.host.harness import Attempt, Zygote

PAGE = (Path(__file__).parents[2] / "docs/reference/task-protocol.md").read_text()


def test_the_examples_run_from_top_to_bottom(tmp_path: Path, zygote: Zygote) -> None:
    script = "set -eu\n" + "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    attempt, agent = Attempt(tmp_path / "ti-1.1", zygote), Agent()
    work = ProgramWork(argv=[LiteralValue(value=script)], shell=True, result="nothing")

    try:
        attempt.start(work, inputs=[Input(task="collect", key="rows", size=5, value=[1, 2])], **SUITE["declared"])
        serving = agent.serve(attempt)
        ending = attempt.wait()
        serving.join(10)
    finally:
        attempt.clean_up()

    assert (ending["kind"], ending["message"], ending["retry_after_s"]) == ("retry", "the plant is asleep", 600), (
        attempt.log
    )
    assert attempt.xcom("late") == ["P1", "P2"]
    assert attempt.xcom("return_value") == {"kept": 3}
    assert [point["name"] for point in attempt.lines("metrics.ndjson")] == ["rows"]
    assert attempt.texts("warning")[0].startswith("signed in with ***")
    assert ["PUT /v1/variables/limits%2Fupper", {"value": {"bar": 6}}] in agent.asked


def test_every_variable_kind_and_level_is_on_the_page() -> None:
    names = set(re.findall(r'"(LEASEHOLD_[A-Z_]+)"', Path(environment.__code__.co_filename).read_text()))

    assert names
    assert {name for name in {*names, *ENDING_KINDS, *LEVELS, *METRIC_KINDS} if f"`{name}`" not in PAGE} == set()
