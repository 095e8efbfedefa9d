"""A service that is lost and restored from a backup serves its agents again, and nothing runs twice at once."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

from tests.support.databases import fresh_postgresql, postgresql_programs
from tests.system.place import Place, open_place
from tests.system.programs import Program, until

DAGS = '''\
"""Tasks that note when they begin and end, and wait for a file in between."""

from leasehold import dag, shell

WAIT = """
cd LEDGER
echo begun >> {name}
until test -e {name}.gate; do sleep 0.1; done
echo done >> {name}
"""


def waiting(name):
    return shell(WAIT.format(name=name), id=name, max_offline="OFFLINE")


@dag
def known():
    waiting("known")


@dag
def forgotten():
    waiting("before") >> waiting("after")
'''


def lines(place: Place, name: str) -> list[str]:
    """Return what a task noted."""
    file = place.home / "ledger" / name
    return file.read_text().split() if file.exists() else []


def begin(place: Place, more: dict[str, str], *, max_offline: str) -> tuple[Program, str, str]:
    """Start a service and an agent, and two runs whose first tasks run; return the service and the runs."""
    (place.home / "ledger").mkdir()
    api = place.serve(more=more)
    place.make_site("north")
    place.enroll("north", "north-1")
    place.start_agent("north-1", "--slots", "4")
    place.deploy("dags", DAGS.replace("LEDGER", str(place.home / "ledger")).replace("OFFLINE", max_offline))
    known, forgotten = place.trigger("known"), place.trigger("forgotten")
    until(lambda: lines(place, "known") and lines(place, "before"), "both run")
    return api, known, forgotten


def restore(place: Place, *flags: str, more: dict[str, str]) -> str:
    """Restore the backup elsewhere, serve that at the same address, and return what the command said."""
    copytree(place.home / "api/keys", place.home / "restored/keys")
    place.env |= more
    said = place.command("leasehold-api", "restore", "one.backup", "--state-dir", "restored", *flags)
    place.serve(name="api-2", state="restored", port=int(place.url.rpartition(":")[2]), more=more)
    return said


def open_gates(place: Place, *names: str) -> None:
    """Let tasks end."""
    for name in names:
        (place.home / f"ledger/{name}.gate").touch()


def test_what_was_leased_after_the_backup_is_stopped_before_it_runs_again_and_the_rest_goes_on(
    empty_place: Place,
) -> None:
    here = empty_place
    api, known, forgotten = begin(here, {}, max_offline="25s")
    here.command("leasehold-api", "backup", "one.backup", "--state-dir", "api")
    open_gates(here, "before")
    until(lambda: lines(here, "after") == ["begun"], "a task runs that the backup does not know of")

    api.kill()
    said = restore(here, more={})

    assert "Tasks are leased from" in said
    reasons = until(
        lambda: [why["summary"] for why in here.get(f"runs/{forgotten}/why")["items"] if why["state"] == "queued"],
        "the agent said what it has, and what it has not is queued",
    )
    assert "nothing is leased until" in reasons[0]
    open_gates(here, "known", "after")
    ended = {run: here.finished(run) for run in (known, forgotten)}
    assert {detail["state"] for detail in ended.values()} == {"success"}
    assert lines(here, "known") == ["begun", "done"], "what went on was not started again"
    assert epochs(ended[known]) == {"known": 1}
    assert min(epochs(ended[forgotten]).values()) > 1000, "no attempt has the name of a forgotten one"
    # The forgotten attempt was stopped before the task began anew.
    assert lines(here, "after") == ["begun", "begun", "done"]


def test_a_service_that_moves_with_its_postgresql_takes_all_leases_along(tmp_path: Path) -> None:
    with fresh_postgresql() as first, fresh_postgresql() as second, open_place(tmp_path) as here:
        here.env["PATH"] = f"{postgresql_programs()}:{here.env['PATH']}"
        before, after = ({"LEASEHOLD_API_DATABASE_URL": url} for url in (first, second))
        api, known, forgotten = begin(here, before, max_offline="10m")

        api.terminate()
        api.ended()
        here.env |= before
        here.command("leasehold-api", "backup", "one.backup", "--state-dir", "api")
        restore(here, "--nothing-since", more=after)
        open_gates(here, "known", "before", "after")

        ended = {run: here.finished(run) for run in (known, forgotten)}
        assert {detail["state"] for detail in ended.values()} == {"success"}
        assert epochs(ended[known]) | epochs(ended[forgotten]) == {"known": 1, "before": 1, "after": 1}
        assert [lines(here, name) for name in ("known", "before", "after")] == [["begun", "done"]] * 3
        here.command("leasehold-api", "doctor", "--state-dir", "restored", "--public-url", here.url)


def epochs(run: dict[str, Any]) -> dict[str, int]:
    """Return task → epoch of its last attempt."""
    return {task["task"]: int(task["attempts"][-1]["attempt"].rpartition(".")[2]) for task in run["tasks"]}
