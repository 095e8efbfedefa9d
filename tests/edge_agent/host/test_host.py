"""What an attempt host does with one task, from its lease to its ending."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import stat
import sys
from pathlib import Path

import pytest

from leasehold_protocol.v1.leases import Input
from leasehold_protocol.v1.manifest import (
    LiteralValue,
    ParamValue,
    ProgramWork,
    PythonWork,
    ResultFrom,
    ResultValue,
    TemplateValue,
)
from tests.edge_agent.host.harness import Attempt, is_alive, read_line, shell, wait_dead

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), file=open("daemon", "w"), flush=True)
        time.sleep(3600)
"""


def test_a_task_that_exits_0_is_a_success_with_its_last_line_as_result(attempt: Attempt) -> None:
    attempt.start(shell("echo one; echo two"))

    ending = attempt.wait()

    assert (ending["kind"], ending["exit_code"]) == ("success", 0)
    assert attempt.xcom("return_value") == "two"
    assert attempt.texts("stdout") == ["one", "two"]
    assert ending["xcom_seq"] == 1
    assert attempt.lock_is_free()


def test_the_ending_covers_the_whole_log(attempt: Attempt) -> None:
    attempt.start(shell("echo out; echo err >&2"))

    ending = attempt.wait()

    log = (attempt.path / "output.log").read_bytes()
    assert ending["log_size"] == len(log)
    assert ending["log_sha256"] == hashlib.sha256(log).hexdigest()
    assert all(re.match(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (stdout|stderr) ", line) for line in log.splitlines())


@pytest.mark.parametrize(
    ("line", "message", "facts"),
    [
        ("exit 3", "exit status 3", {"exit_code": 3}),
        ("kill -KILL $$", "killed by signal 9 (SIGKILL)", {"signal": 9}),
        ("kill -SEGV $$", "killed by signal 11 (SIGSEGV)", {"signal": 11}),
    ],
)
def test_a_task_that_fails_says_how(attempt: Attempt, line: str, message: str, facts: dict[str, int]) -> None:
    attempt.start(shell(line))

    ending = attempt.wait()

    assert ending["kind"] == "failed"
    assert ending["message"].startswith(message)
    assert facts.items() <= ending.items()
    assert not (attempt.path / "xcoms/index.ndjson").read_bytes()


def test_a_program_gets_its_arguments_without_a_shell(attempt: Attempt) -> None:
    argv = [
        LiteralValue(value=sys.executable),
        LiteralValue(value="-c"),
        LiteralValue(value="import sys, os; print('|'.join(sys.argv[1:]), os.environ['DAY'])"),
        ParamValue(name="day"),
        TemplateValue(text="{{ ds }}; rm -rf $HOME"),
        ResultValue(task="collect"),
    ]
    given = Input(task="collect", size=9, value={"rows": 3})

    attempt.start(ProgramWork(argv=argv, env={"DAY": ParamValue(name="day")}), inputs=[given])
    attempt.wait()

    assert attempt.texts("stdout") == ['2026-11-22|2026-11-22; rm -rf $HOME|{"rows":3} 2026-11-22']


def test_a_json_result_is_kept_as_json(attempt: Attempt) -> None:
    attempt.start(shell("""echo '{"rows": [1, 2]}'; echo done >&2""", result=ResultFrom.JSON))

    attempt.wait()

    assert attempt.xcom("return_value") == {"rows": [1, 2]}


def test_a_result_that_is_not_json_fails_the_task_with_a_cure(attempt: Attempt) -> None:
    attempt.start(shell("echo hello", result=ResultFrom.JSON))

    ending = attempt.wait()

    assert ending["kind"] == "failed"
    assert "not JSON" in ending["message"]
    assert "standard error" in ending["message"]


def test_fifty_megabytes_are_kept_whole(attempt: Attempt) -> None:
    attempt.start(shell("head -c 50000000 /dev/zero | tr '\\0' x | fold -w 99", result=ResultFrom.NOTHING))

    ending = attempt.wait()

    assert ending["kind"] == "success"
    kept = sum(len(text) for text in attempt.texts("stdout"))
    assert kept == 50_000_000


def test_invalid_utf_8_and_endless_lines_become_valid_log_lines(attempt: Attempt) -> None:
    attempt.start(shell(r"printf 'caf\303\251 \377\376\n'; head -c 40000 /dev/zero | tr '\0' y"))

    attempt.wait()

    assert attempt.texts("stdout")[0] == "café ��"
    assert [len(text) for text in attempt.texts("stdout+")] == [16384, 16384]
    assert len(attempt.texts("stdout")[1]) == 40000 - 2 * 16384


def test_a_task_that_closes_its_output_is_waited_for(attempt: Attempt) -> None:
    attempt.start(shell("exec >&- 2>&-; sleep 0.1; echo x > done"))

    ending = attempt.wait()

    assert ending["kind"] == "success"
    assert (attempt.work / "done").exists()


def test_a_daemon_left_behind_is_killed_and_named(attempt: Attempt) -> None:
    daemon, go = attempt.fifo("daemon"), attempt.fifo("go")

    attempt.start(shell(f"{sys.executable} -c '{DAEMON}'; read x < go"))
    pid = int(read_line(daemon))
    os.write(go, b"\n")
    ending = attempt.wait()

    assert ending["kind"] == "success"
    assert not is_alive(pid)
    assert f"({pid})" in attempt.texts("agent")[0]


def test_a_task_that_runs_too_long_times_out(attempt: Attempt) -> None:
    attempt.start(shell("sleep 3600"), timeout_s=0.2)

    ending = attempt.wait()

    assert ending["kind"] == "timed_out"
    assert "0.2 s" in ending["message"]


def test_the_host_ends_the_task_at_the_deadline_of_its_lease(attempt: Attempt) -> None:
    attempt.start(shell("trap '' TERM; sleep 3600"), deadline_s=1.0)

    ending = attempt.wait()

    assert ending["kind"] == "lease_expired"
    assert "max_offline" in ending["message"]


def test_nothing_starts_once_the_lease_is_over(attempt: Attempt) -> None:
    attempt.start(shell("touch started"), deadline_s=-1.0)

    ending = attempt.wait()

    assert ending["kind"] == "lease_expired"
    assert "started_at" not in ending
    assert not (attempt.work / "started").exists()


def test_a_program_that_is_not_there_could_not_start(attempt: Attempt) -> None:
    attempt.start(ProgramWork(argv=[LiteralValue(value="no-such-program")]))

    ending = attempt.wait()

    assert ending["kind"] == "could_not_start"
    assert "no-such-program" in ending["message"]
    assert "PATH" in ending["message"]


def test_an_argument_that_cannot_be_worked_out_is_the_authors_failure(attempt: Attempt) -> None:
    attempt.start(ProgramWork(argv=[LiteralValue(value="echo"), TemplateValue(text="{{ nonsense }}")]))

    ending = attempt.wait()

    assert ending["kind"] == "failed"
    assert "nonsense" in ending["message"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"attempt": "ti-1.1"}', '{"attempt": 7}', "[" * 100_000, '{"attempt": "\\']
)
def test_a_broken_lease_could_not_start_and_says_why(attempt: Attempt, text: str) -> None:
    (attempt.path / "lease.json").write_text(text)

    ending = attempt.start_host().wait()

    assert ending["kind"] == "could_not_start"
    assert "lease.json" in ending["message"]
    assert ending["log_size"] == 0


def test_the_python_runtime_without_an_interpreter_could_not_start(attempt: Attempt) -> None:
    attempt.start(PythonWork(module="sensors", function="read"), runtime={"python": "/nowhere/python"})

    ending = attempt.wait()

    assert ending["kind"] == "could_not_start"
    assert "/nowhere/python" in ending["message"]


def test_the_python_runtime_sees_the_bundle_and_the_sdk(attempt: Attempt, tmp_path: Path) -> None:
    sdk, bundle = tmp_path / "sdk", tmp_path / "bundle"
    (sdk / "leasehold").mkdir(parents=True)
    (sdk / "leasehold/__init__.py").touch()
    (sdk / "leasehold/child.py").write_text("def main():\n import sensors\n print(sensors.NORTH)\n return 0\n")
    bundle.mkdir()
    (bundle / "sensors.py").write_text("NORTH = 'grüße'\n")

    attempt.start(
        PythonWork(module="sensors", function="read"),
        runtime={"python": sys.executable, "sdk_path": str(sdk)},
        bundle_dir=bundle,
    )
    ending = attempt.wait()

    assert ending["kind"] == "success", attempt.log
    assert attempt.texts("stdout") == ["grüße"]


def test_a_task_sees_a_clean_environment_and_no_open_files(attempt: Attempt) -> None:
    attempt.start(shell("umask; env; ls /proc/self/fd; readlink /proc/self/fd/0"))

    attempt.wait()

    shown = attempt.texts("stdout")
    names = {text.partition("=")[0] for text in shown if "=" in text}
    assert shown[0] == "0077"
    assert names <= {
        *("PATH", "HOME", "TMPDIR", "LANG", "LANGUAGE", "TZ", "PWD", "OLDPWD", "SHLVL", "_"),
        *("LEASEHOLD_ATTEMPT", "LEASEHOLD_TASK_URL", "LEASEHOLD_TASK_SOCKET", "LEASEHOLD_TASK_SECRET"),
        "LEASEHOLD_TASK_PROTOCOL",
        *(name for name in names if name.startswith("LC_")),
    }
    assert f"HOME={attempt.work}" in shown
    assert set(shown[-5:]) == {"0", "1", "2", "3", "/dev/null"}


def test_only_the_owner_can_read_what_a_host_writes(attempt: Attempt) -> None:
    task = attempt.talking()
    task.request("PUT", "/v1/xcoms/rows", {"value": 3})

    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in attempt.path.rglob("*") if path.name != "lease.json"
    }
    task.end(0)
    attempt.wait()

    assert not {name: mode for name, mode in modes.items() if mode & 0o077 and name not in ("work", "hello", "go")}


def test_a_log_over_its_limit_is_counted_and_says_so(attempt: Attempt) -> None:
    attempt.start(shell("yes 0123456789 | head -n 100000"), limits={"log_bytes": 10_000})

    ending = attempt.wait()

    assert ending["kind"] == "success"
    assert 9_900 < sum(len(line) + 1 for line in attempt.log.splitlines() if " stdout " in line) <= 10_000
    first, last = attempt.texts("agent")
    assert "limit of 10000 bytes" in first
    assert re.match(r"\d{7} bytes", last)


def test_shutting_the_machine_down_is_the_sites_failure_not_the_tasks(attempt: Attempt) -> None:
    task = attempt.talking()
    assert task.request("GET", "/v1/context")[0] == 200

    os.kill(attempt.pid, signal.SIGTERM)
    ending = attempt.wait()

    assert ending["kind"] == "lost"
    assert "SIGTERM" in ending["message"]


def test_an_attempt_deep_in_the_file_system_has_a_socket_too(tmp_path: Path, attempt: Attempt) -> None:
    deep = Attempt(tmp_path / ("d" * 100) / ("e" * 100), attempt.zygote)

    try:
        task = deep.talking()
        status, context = task.request("GET", "/v1/context")
        task.end(0)
        deep.wait()
    finally:
        deep.clean_up()

    assert (status, context["attempt"]) == (200, "ti-1.1")


def test_host_json_names_both_processes(attempt: Attempt) -> None:
    task = attempt.talking()
    task.request("GET", "/v1/context")

    facts = json.loads((attempt.path / "host.json").read_text())
    task.end(0)
    attempt.wait()

    assert facts["pid"] == attempt.pid
    wait_dead(facts["task_pid"])


def test_an_unusable_directory_could_not_start_and_says_why(attempt: Attempt) -> None:
    (attempt.path / "xcoms").write_text("in the way")

    attempt.start(shell("true"))
    ending = attempt.wait()

    assert ending["kind"] == "could_not_start"
    assert "xcoms" in ending["message"]
