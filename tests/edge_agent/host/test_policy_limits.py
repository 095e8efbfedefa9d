"""What the site's policy says holds in the host, too: for what is known only when the task is about to start."""

from __future__ import annotations

import sys
from typing import Any

from leasehold_protocol.v1.manifest import LiteralValue, ParamValue, ProgramWork
from tests.edge_agent.host.harness import Attempt, shell

LIST = {"path": "/bin/ls", "args": [["/*"]], "env": []}


def policy(*programs: dict[str, Any], **limits: Any) -> dict[str, Any]:
    return {"programs": list(programs), "policy": "f" * 32, **limits}


def listing(value: object, **fields: Any) -> ProgramWork:
    return ProgramWork(argv=[LiteralValue(value="/bin/ls"), value], **fields)  # type: ignore[list-item]


def test_arguments_that_fit_run(attempt: Attempt) -> None:
    attempt.start(listing(LiteralValue(value="/")), limits=policy(LIST))

    assert attempt.wait()["kind"] == "success"


def test_arguments_of_the_run_that_do_not_fit_are_refused_before_anything_starts(attempt: Attempt) -> None:
    attempt.start(listing(ParamValue(name="day")), limits=policy(LIST))

    ending = attempt.wait()

    assert ending["kind"] == "refused"
    assert ending["message"] == (
        "refused by the site's policy: the program /bin/ls is allowed, but not with these arguments"
    )
    assert ending["refusal"] == {"policy": "f" * 32, "concerns": "instance"}
    assert "started_at" not in ending


def test_a_path_that_the_author_sets_leads_to_no_other_program(attempt: Attempt) -> None:
    work = ProgramWork(
        argv=[LiteralValue(value="ls"), LiteralValue(value="/")], env={"PATH": LiteralValue(value="bin")}
    )
    (attempt.path / "work").mkdir(exist_ok=True)
    (attempt.path / "work" / "bin").mkdir()
    fake = attempt.path / "work" / "bin" / "ls"
    fake.write_text("#!/bin/sh\necho fake\n")
    fake.chmod(0o755)

    attempt.start(work, limits=policy({**LIST, "env": ["PATH"]}))

    assert attempt.wait()["kind"] in ("refused", "could_not_start")


def test_a_variable_that_changes_what_a_program_does_is_refused(attempt: Attempt) -> None:
    attempt.start(listing(LiteralValue(value="/"), env={"LD_PRELOAD": LiteralValue(value="x.so")}), limits=policy(LIST))

    assert attempt.wait()["kind"] == "refused"


def test_the_shell_has_to_be_allowed_as_such(attempt: Attempt) -> None:
    attempt.start(shell("ls /"), limits=policy(LIST))

    assert "the program /bin/sh is not among" in attempt.wait()["message"]


def test_every_process_of_an_attempt_has_the_memory_limit_and_can_not_raise_it(attempt: Attempt) -> None:
    code = (
        "import resource as r\n"
        "try: r.setrlimit(r.RLIMIT_AS, (r.RLIM_INFINITY, r.RLIM_INFINITY))\n"
        "except ValueError: pass\n"
        "print(r.getrlimit(r.RLIMIT_AS)[0])\n"
        "bytearray(600_000_000)"
    )
    program = ProgramWork(argv=[LiteralValue(value="/usr/bin/env"), *map(_literal, (sys.executable, "-c", code))])
    attempt.start(program, limits={"memory_bytes": 500_000_000})

    ending = attempt.wait()

    assert ending["kind"] == "failed"
    assert any("MemoryError" in line for line in attempt.texts("stderr"))


def test_a_task_without_a_time_out_gets_the_sites(attempt: Attempt) -> None:
    attempt.start(shell("sleep 3600"), limits={"timeout_s": 0.2})

    assert attempt.wait()["kind"] == "timed_out"


def _literal(value: str) -> LiteralValue:
    return LiteralValue(value=value)
