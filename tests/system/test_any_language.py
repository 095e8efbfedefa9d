"""One DAG in Python, JavaScript and shell, through a real API and a real agent: examples/any_language.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.node import node
from tests.system.place import Place

EXAMPLE = Path(__file__).parents[2] / "examples/any_language.py"
SCRIPTS = '''\
"""What a script in any language may do, with curl and with edge-agent task."""

from leasehold import dag, shell


@dag
def scripts():
    shell(
        """umask 077
        set -eu
        printf 'header = "Authorization: Bearer %s"\\\\n' "$LEASEHOLD_TASK_SECRET" > curlrc
        curl -sS --fail-with-body --unix-socket "$LEASEHOLD_TASK_SOCKET" --config curlrc \\\\
            -X POST http://task/v1/metrics -d '{"name": "rows", "kind": "counter", "value": 3}'
        "$LEASEHOLD_EDGE_AGENT" task connection get plant_db --field password > password
        "$LEASEHOLD_EDGE_AGENT" task heartbeat --progress 0.5 --note half
        "$LEASEHOLD_EDGE_AGENT" task log "seen: $(cat password)"
        "$LEASEHOLD_EDGE_AGENT" task variable set limits/upper --json '{"bar": 6}'
        "$LEASEHOLD_EDGE_AGENT" task variable get limits/upper
        """,
        connections=["plant_db"],
        variables=["limits/upper"],
    )
    shell('"$LEASEHOLD_EDGE_AGENT" task skip "nothing new"', id="skips")
    shell('"$LEASEHOLD_EDGE_AGENT" task fail "the file is broken"; exit 1', id="fails", retries=3)
'''


def tasks(run: dict[str, Any]) -> dict[str, Any]:
    return {task["task"]: task for task in run["tasks"]}


def test_a_dag_in_three_languages_runs_to_its_end(place: Place) -> None:
    node()
    place.command("leasehold", "deploy", str(EXAMPLE))

    run = place.run_dag("any_language", pumps=5)

    logs = {name: place.log_of(task["attempts"][-1]["attempt"]).decode() for name, task in tasks(run).items()}
    assert run["state"] == "success", logs
    assert "compared the pumps" in logs["highest"]
    assert "highest: P2" in logs["report"]
    assert '{"pump":"P2"}' in logs["report"]


def test_a_shell_script_reads_writes_and_says_how_it_ends(place: Place) -> None:
    place.command(
        "leasehold", "connections", "set", "plant_db", "--conn-type", "http", "--password-file", "-", "--site", "north",
        stdin="open sesame pl4nt",
    )  # fmt: skip
    place.deploy("scripts", SCRIPTS)

    found = tasks(place.run_dag("scripts"))

    log = place.log_of(found["shell"]["attempts"][-1]["attempt"]).decode()
    assert found["shell"]["state"] == "success", log
    assert '{"bar":6}' in log
    assert "seen: ***" in log
    assert "pl4nt" not in log
    assert found["skips"]["state"] == "skipped"
    assert (found["fails"]["state"], len(found["fails"]["attempts"])) == ("failed", 1)
    assert found["fails"]["attempts"][0]["message"] == "the file is broken"
