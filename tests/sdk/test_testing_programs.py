"""Programs in ``leasehold.testing``: real processes, which find the task protocol where they find it at a site."""

from __future__ import annotations

from typing import Any

from leasehold import dag, program, shell, task
from leasehold.testing import run
from tests.support.node import node

CURL = """
umask 077
printf 'header = "Authorization: Bearer %s"\\n' "$LEASEHOLD_TASK_SECRET" > curlrc
ask() { curl -sS --fail-with-body --config curlrc --unix-socket "$LEASEHOLD_TASK_SOCKET" "$@"; }
ask http://task/v1/connections/plant_db > /dev/null
ask -X PUT http://task/v1/xcoms/late --data '{"value": ["P1"]}'
printf '{"value": {"kept": 3}}' | ask -X PUT http://task/v1/result --upload-file -
ask -X POST http://task/v1/log --data '{"message": "signed in with open-sesame"}'
ask http://task/v1/connections/other && exit 9
curl -sS --unix-socket "$LEASEHOLD_TASK_SOCKET" http://task/v1/context
"""
NODE = """
const { log, xcom } = await import(process.env.LEASEHOLD_SDK_JS);
await log.info("from node"); await xcom.push("late", [1]); console.log("done");
"""


@task
def rows() -> list[int]:
    return [1, 2]


@dag
def lines(name: str = "it's") -> None:
    shell('echo "$NAME has $ROWS"; echo aside >&2', id="shell", env={"NAME": name, "ROWS": rows()})
    program(["printf", "%s|%s", name, "{{ ds }}"], id="printf", result="text")
    shell("echo '[1, 2.5]'", id="json", result="json")
    shell("sleep 600 & echo left", id="leaves")


@dag
def asking() -> None:
    shell(CURL, connections=["plant_db"], id="curl")


@dag
def in_node() -> None:
    program(["node", "--input-type=module", "--eval", NODE], id="node")


@dag
def scripts() -> None:
    shell('"$LEASEHOLD_EDGE_AGENT" task skip "nothing new"', id="skips")
    shell('"$LEASEHOLD_EDGE_AGENT" task fail "the file is broken"; exit 1', id="fails", retries=3)
    shell("exit 3", id="exits", retries=1)
    shell("sleep 600", id="sleeps", timeout=0.2)
    program(["no-such-program"], id="missing")
    shell("echo nonsense", id="no_json", result="json")


def test_programs_get_their_arguments_and_leave_their_results() -> None:
    result = run(lines, logical_date="2026-11-22")

    assert {name: found.result for name, found in result.tasks.items()} == {
        "rows": [1, 2],
        "shell": "it's has [1,2]",
        "printf": "it's|2026-11-22",
        "json": [1, 2.5],
        "leaves": "left",
    }
    assert [(record.level, record.message) for record in result.tasks["shell"].log if record.level == "stderr"] == [
        ("stderr", "aside")
    ]


def test_curl_is_a_client() -> None:
    found = run(asking, connections={"plant_db": "postgres://reader:open-sesame@db/x"}).tasks["curl"]

    assert found.xcoms == {"late": ["P1"], "return_value": {"kept": 3}}
    assert "signed in with ***" in found.log
    assert 'connections=[\\"other\\"]' in found.log
    assert "unauthenticated" in found.log


def test_node_is_a_client() -> None:
    node()

    found = run(in_node).tasks["node"]

    assert (found.result, found.xcoms["late"], "from node" in found.log) == ("done", [1], True)


def test_programs_end_as_at_a_site() -> None:
    result: Any = run(scripts, raise_on_failure=False)

    assert {name: (found.state, found.tries, found.error) for name, found in result.tasks.items()} == {
        "skips": ("skipped", 1, "nothing new"),
        "fails": ("failed", 1, "the file is broken"),
        "exits": ("failed", 2, "exit status 3"),
        "sleeps": ("failed", 1, "the task ran longer than its time-out of 0.2 s"),
        "missing": ("failed", 1, result.tasks["missing"].error),
        "no_json": ("failed", 1, result.tasks["no_json"].error),
    }
    assert "there is no program 'no-such-program'" in result.tasks["missing"].error
    assert "Print the JSON to standard output" in result.tasks["no_json"].error
