"""Tasks that begin in a warm process: who gets one, what is imported in advance, and what never is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold_agent.host.warm.settings import WarmSettings
from tests.edge_agent.host.harness import wait_dead
from tests.edge_agent.host.warm_bundle import Bundles, name_of, parent_of

PARENTS = """
    import os
    from leasehold import task

    def parent(pid):
        return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])

    @task
    def work():
        above = parent(os.getpid())
        return [open(f"/proc/{above}/comm").read().strip(), parent(above)]
"""
KEEPER, HOST = "task-keeper", "attempt-host"


@pytest.fixture
def bundles(tmp_path: Path) -> Iterator[Bundles]:
    bundles = Bundles(tmp_path)
    yield bundles
    bundles.close()


def test_tasks_of_a_bundle_are_forked_from_one_process(bundles: Bundles) -> None:
    plant = bundles.write(PARENTS)

    first, second = bundles.run(plant), bundles.run(plant)

    assert first[0] == second[0] == KEEPER
    assert name_of(first[1]) == "task-zygote"


def test_a_task_that_asks_for_isolation_gets_a_new_interpreter(bundles: Bundles) -> None:
    plant = bundles.write(PARENTS)

    name, _ = bundles.run(plant, isolation="fresh")

    assert name == HOST


def test_teams_and_memory_limits_never_share_a_process(bundles: Bundles) -> None:
    plant = bundles.write(PARENTS)

    zygotes = [
        bundles.run(plant)[1],
        bundles.run(plant, team="other")[1],
        bundles.run(plant, limits={"memory_bytes": 2**30})[1],
        bundles.run(bundles.write(PARENTS, "second"))[1],
    ]

    assert len(set(zygotes)) == len(zygotes)


def test_a_bundle_with_a_module_of_the_standard_librarys_name_starts_afresh(bundles: Bundles) -> None:
    plant = bundles.write(PARENTS)
    (plant / "colorsys.py").write_text("")

    name, _ = bundles.run(plant)

    assert name == HOST


def test_without_warm_processes_every_task_starts_afresh(tmp_path: Path) -> None:
    bundles = Bundles(tmp_path, WarmSettings(idle_s=0))
    name, _ = bundles.run(bundles.write(PARENTS))
    bundles.close()

    assert name == HOST


def test_an_interpreter_that_can_t_be_kept_warm_is_started_afresh(bundles: Bundles) -> None:
    wrapper = bundles.home / "python"
    # It lets only fresh tasks through.
    wrapper.write_text(f'#!/bin/sh\ncase "$*" in *warm*) exit 1;; esac\nexec {bundles.python} "$@"\n')
    wrapper.chmod(0o755)
    bundles.python = str(wrapper)
    plant = bundles.write(PARENTS)

    names = [bundles.run(plant)[0] for _ in range(5)]

    assert set(names) == {HOST}
    assert "fresh interpreter: " in bundles.attempts[-1].log


def test_what_the_first_task_imported_is_in_memory_for_later_ones(bundles: Bundles) -> None:
    bundles.library("charts", "import colorsys")
    plant = bundles.write("""
        import sys
        before = [name for name in ("charts", "colorsys", "beside") if name in sys.modules]
        import beside
        import charts
        from leasehold import task

        @task
        def work():
            return before
    """)
    (plant / "beside.py").write_text("")

    first = bundles.run(plant)
    later = bundles.run_until(plant, bool, "something is in memory")

    assert first == []
    assert later == ["charts", "colorsys"]


SIDE_EFFECTS = {
    "threads": "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "child processes": "import os; os.fork() or __import__('time').sleep(3600)",
    "open files": "kept = open('/dev/null')",
    "the working directory": "import os; os.chdir('/')",
    "the umask": "import os; os.umask(0)",
    "environment variables": "import os; os.environ['PLANT'] = 'north'",
    "environment variables that are each task's own": "import os; cache = os.path.expanduser('~')",
    "sys.path": "import sys; sys.path.append('/plant')",
    "signal handlers": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "timers": "import signal; signal.setitimer(signal.ITIMER_REAL, 3600)",
    "logging's handlers": "import logging; logging.getLogger().addHandler(logging.NullHandler())",
    "standard streams": "import io, sys; sys.stdout = io.StringIO()",
    "the recursion limit": "import sys; sys.setrecursionlimit(5000)",
    "ended over it": "import os; os.environ['HOME'] == '/nonexistent' and os._exit(3)",
}


@pytest.mark.parametrize("what", SIDE_EFFECTS)
def test_a_library_that_changes_its_process_is_never_imported_in_advance(bundles: Bundles, what: str) -> None:
    bundles.library("meddler", SIDE_EFFECTS[what])
    plant = bundles.write("""
        import sys
        before = "meddler" in sys.modules
        import meddler
        from leasehold import task

        @task
        def work():
            return before
    """)

    in_advance = [bundles.run(plant)]
    for _ in range(50):
        in_advance.append(bundles.run(plant))
        if "not imported in advance" in bundles.attempts[-1].log:
            break

    said = [text for text in bundles.attempts[-1].texts("agent") if "not imported in advance" in text]
    bundles.run(plant)  # what a zygote says unasked comes with its next answer
    assert what in said[0]
    assert bundles.zygote.notes
    assert not any(in_advance)


def test_a_module_that_can_t_be_imported_fails_in_its_own_task(bundles: Bundles) -> None:
    bundles.library("broken", "import os\nassert os.path.exists('works'), 'the plant is closed'")
    plant = bundles.write("import broken\ndef work(): pass")

    endings = [bundles.begin(plant).wait() for _ in range(3)]

    assert [ending["kind"] for ending in endings] == ["failed"] * 3
    assert "the plant is closed" in bundles.attempts[-1].log


def test_a_warm_process_ends_when_it_has_been_idle(tmp_path: Path) -> None:
    bundles = Bundles(tmp_path, WarmSettings(idle_s=0.2))

    _, zygote = bundles.run(bundles.write(PARENTS))
    wait_dead(zygote)
    _, other = bundles.run(bundles.write(PARENTS))
    bundles.close()

    assert other != zygote


def test_the_one_that_was_idle_for_longest_makes_room(tmp_path: Path) -> None:
    bundles = Bundles(tmp_path, WarmSettings(most=2))

    zygotes = [bundles.run(bundles.write(PARENTS, name))[1] for name in ("first", "second", "third")]
    wait_dead(zygotes[0])
    names = [name_of(zygote) for zygote in zygotes[1:]]
    bundles.close()

    assert names == ["task-zygote"] * 2


def test_a_warm_process_that_makes_room_ends_with_its_last_task(tmp_path: Path) -> None:
    bundles = Bundles(tmp_path, WarmSettings(most=1))
    attempt = bundles.begin_waiting()
    bundles.run(bundles.write(PARENTS, "other"))
    zygote = parent_of(parent_of(attempt.task))
    name = name_of(zygote)
    attempt.end(0)
    ending = attempt.attempt.wait()
    wait_dead(zygote)
    bundles.close()

    assert name == "task-zygote"
    assert ending["kind"] == "success"


def test_the_processes_above_tasks_hold_no_secret(bundles: Bundles) -> None:
    waiting = bundles.begin_waiting()
    keeper = parent_of(waiting.task)
    zygote = parent_of(keeper)
    secret = waiting.said.encode()

    held = {pid: _memory_has(pid, secret) for pid in (waiting.task, keeper, zygote)}
    waiting.end(0)
    waiting.attempt.wait()

    assert held == {waiting.task: True, keeper: False, zygote: False}


def _memory_has(pid: int, text: bytes) -> bool:
    areas = [line.split()[0].split("-") for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if " rw" in line]
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for begin, end in areas:
            memory.seek(int(begin, 16))
            if text in memory.read(int(end, 16) - int(begin, 16)):
                return True
    return False
