"""A task that was forked finds the world that a fresh interpreter finds, whatever tasks before it did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge_agent.host.warm_bundle import Bundles

WORLD = """
    import os, resource, signal, sys, threading
    import _locale

    def world():
        mask = os.umask(0)
        os.umask(mask)
        found = {
            "environment": sorted(name for name in os.environ),
            "home": os.environ["HOME"] == os.getcwd(),
            "temporary": os.environ["TMPDIR"] == os.path.dirname(os.getcwd()) + "/tmp",
            "umask": mask,
            "in its working directory": os.getcwd().endswith("/work"),
            "files": sorted(os.listdir("/proc/self/fd")),
            "streams": [os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in (0, 1, 2)],
            "stream objects": [
                [s.name, s.encoding, s.errors, s.line_buffering, s.isatty(), s.seekable(), s.closed]
                for s in (sys.stdin, sys.stdout, sys.stderr)
            ],
            "signals": {str(n): str(signal.getsignal(n)).split(" at ")[0] for n in sorted(signal.valid_signals())},
            "blocked signals": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
            "timers": signal.getitimer(signal.ITIMER_REAL),
            "path": [place for place in sys.path],
            "argv": sys.argv,
            "flags": str(sys.flags),
            "executable": sys.executable,
            "main": sorted(name for name in vars(sys.modules["__main__"]) if name.startswith("__")),
            "meta path": [str(getattr(f, "__name__", type(f).__name__)) for f in sys.meta_path],
            "locale": _locale.setlocale(_locale.LC_ALL, None),
            "threads": len(os.listdir("/proc/self/task")),
            "main thread": threading.current_thread() is threading.main_thread(),
            "session": os.getsid(0) == os.getpid(),
            "cores": resource.getrlimit(resource.RLIMIT_CORE),
            "limits": [resource.getrlimit(n) for n in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS)],
            "oom": open("/proc/self/oom_score_adj").read(),
            "name": open("/proc/self/comm").read(),
            "children": open(f"/proc/self/task/{os.getpid()}/children").read(),
            "used": resource.getrusage(resource.RUSAGE_SELF).ru_utime < 1,
        }
        return found

    before = world()
    in_memory = "colorsys" in sys.modules
    import colorsys
    import atexit, ctypes, gc, logging, random, tempfile, warnings
    more = {
        "logging": [str(handler) for handler in logging.root.handlers],
        "filters": len(warnings.filters),
        "exit handlers": atexit._ncallbacks(),
        "temporary directory": tempfile.gettempdir() == os.environ["TMPDIR"],
        "may be looked into": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
        "collector": [gc.isenabled(), gc.get_threshold()],
    }
"""
MEDDLING = """
    kept = open("/dev/null")
    os.dup(kept.fileno())
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    if not os.fork():
        os._exit(0)
    os.chdir("/")
    os.umask(0)
    os.environ["PLANT"] = "north"
    del os.environ["PATH"]
    sys.path.append("/plant")
    sys.argv.append("plant")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    signal.setitimer(signal.ITIMER_REAL, 3600)
    logging.basicConfig()
    warnings.simplefilter("ignore")
    warnings.filterwarnings("error", "a plant")
    atexit.register(print, "goodbye")
    gc.disable()
    sys.setrecursionlimit(5000)
"""
RETURNING = """
    def work():
        return {"before": before, "more": more, "in memory": in_memory}
"""


@pytest.fixture
def bundles(tmp_path: Path) -> Iterator[Bundles]:
    bundles = Bundles(tmp_path)
    yield bundles
    bundles.close()


def test_a_forked_task_finds_what_a_fresh_one_finds(bundles: Bundles) -> None:
    plant = bundles.write(WORLD + RETURNING)

    fresh = bundles.run(plant, isolation="fresh")
    warm = bundles.run(plant)
    preloaded = bundles.run_until(plant, lambda found: found["in memory"], "its imports are in memory")

    assert _comparable(warm) == _comparable(fresh)
    assert _comparable(preloaded) == _comparable(fresh)


def test_what_a_module_does_when_it_is_imported_reaches_no_other_task(bundles: Bundles) -> None:
    plant = bundles.write(WORLD + MEDDLING + RETURNING)

    found = [_comparable(bundles.run(plant)) for _ in range(4)]

    assert found[1:] == found[:1] * 3
    assert found[0]["before"]["threads"] == 1


def test_what_a_module_keeps_is_each_tasks_own(bundles: Bundles) -> None:
    plant = bundles.write("""
        import itertools
        counter = itertools.count()

        def work():
            return next(counter)
    """)

    assert [bundles.run(plant) for _ in range(3)] == [0, 0, 0]


def test_chance_is_each_tasks_own(bundles: Bundles) -> None:
    plant = bundles.write("""
        import sys
        in_memory = "uuid" in sys.modules
        import multiprocessing.process, os, random, secrets, ssl, tempfile, uuid

        def work():
            return {
                "in memory": in_memory,
                "random": random.random(),
                "secrets": secrets.token_hex(),
                "uuid1": str(uuid.uuid1()),
                "uuid4": str(uuid.uuid4()),
                "ssl": ssl.RAND_bytes(8).hex(),
                "tempfile": next(tempfile._get_candidate_names()),
                "multiprocessing": bytes(multiprocessing.process.current_process().authkey).hex(),
            }
    """)

    found: list[dict[str, Any]] = [bundles.run(plant)]
    bundles.run_until(plant, lambda found: found["in memory"], "its imports are in memory")
    found += [bundles.run(plant) for _ in range(3)]

    for name in set(found[0]) - {"in memory"}:
        assert len({each[name] for each in found}) == len(found), name


def test_a_forked_task_ends_as_an_interpreter_does(bundles: Bundles) -> None:
    plant = bundles.write("""
        import atexit, threading, time

        class Goodbye:
            def __del__(self):
                print("finalised")

        never_closed = open("kept", "w")
        never_closed.write("kept by a module")
        held = {"file": open("held", "w"), "object": Goodbye()}
        held["file"].write("held by a dictionary")
        atexit.register(print, "exit handler")

        def late():
            time.sleep(0.05)
            print("thread")

        def work():
            threading.Thread(target=late).start()
    """)

    for isolation in ("fresh", "warm"):
        attempt = bundles.begin(plant, isolation=isolation)
        ending = attempt.wait()

        assert ending["kind"] == "success"
        assert attempt.texts("stdout") == ["thread", "exit handler", "finalised"]
        assert (attempt.work / "kept").read_text() == "kept by a module"
        assert (attempt.work / "held").read_text() == "held by a dictionary"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("sys.exit(7)", "failed", 7),
        ("sys.exit(0)", "success", 0),
        ("sys.exit('no rows')", "failed", 1),
        ("raise RuntimeError('no rows')", "failed", 1),
        ("os._exit(9)", "failed", 9),
        ("os.close(1)", "success", 0),
        ("sys.stdout.close()", "success", 0),
    ],
)
def test_a_forked_task_has_the_ending_of_a_fresh_one(bundles: Bundles, body: str, kind: str, status: int) -> None:
    plant = bundles.write(f"import os, sys\ndef work():\n    {body}\n")

    endings = [bundles.begin(plant, isolation=isolation).wait() for isolation in ("fresh", "warm")]

    assert [(ending["kind"], ending["exit_code"]) for ending in endings] == [(kind, status)] * 2
    assert endings[0].get("message") == endings[1].get("message")


def _comparable(found: dict[str, Any]) -> dict[str, Any]:
    """Return a world without what differs by right: the SDK waits for logging to be imported, unless it is there."""
    before = found["before"]
    meta_path = [name for name in before["meta path"] if name != "_OnceLoggingIsImported"]
    return {"before": {**before, "meta path": meta_path}, "more": found["more"]}
