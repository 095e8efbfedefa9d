"""What has keys in its memory keeps it: no core file, and no other process of the same user looks in."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.host.harness import WAIT_S, Attempt, shell

NOBODY = 65534
BECOME_SOMEBODY = f"""\
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def become_somebody():
    # Who may do nothing special: root could look into everything. The change itself shuts the memory: open it again.
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid({NOBODY})
        os.setuid({NOBODY})
        libc.prctl(4, 1, 0, 0, 0)
"""
HOLDER = """\
import sys
sys.path[:0] = {path!r}
{import_it}
become_somebody()
shut_memory()
print("ready", flush=True)
sys.stdin.read()
"""
PEEK = """\
import sys
become_somebody()
pid = int(sys.argv[1])
for name in ("mem", "environ"):
    try:
        open(f"/proc/{pid}/{name}", "rb").close()
        print(name, "open")
    except PermissionError:
        print(name, "refused")
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
print("ptrace", "open" if libc.ptrace(0x4206, pid, None, None) == 0 else "refused")  # PTRACE_SEIZE
"""


@pytest.fixture
def holder(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process with something in its memory."""
    code = BECOME_SOMEBODY + HOLDER.format(path=[path for path in sys.path if path], import_it=request.param)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(WAIT_S)


def peek(pid: int) -> dict[str, str]:
    """What another process of the same user gets to see."""
    seen = subprocess.run(
        [sys.executable, "-c", BECOME_SOMEBODY + PEEK, str(pid)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    answers = (line.split() for line in seen.stdout.splitlines())
    return dict(answers)


@pytest.mark.parametrize(
    "holder",
    [
        "from leasehold_agent.host.linux import shut_memory",
        "from leasehold_api.memory import shut_memory",
        "import leasehold.warm.linux; shut_memory = lambda: leasehold.warm.linux.shut_memory(shut=True)",
    ],
    indirect=True,
    ids=["agent", "API", "task zygote"],
)
def test_another_process_of_the_same_user_neither_reads_nor_traces_it(holder: subprocess.Popen[str]) -> None:
    assert peek(holder.pid) == {"mem": "refused", "environ": "refused", "ptrace": "refused"}


@pytest.mark.parametrize("holder", ["def shut_memory(): pass"], indirect=True, ids=["nothing done"])
def test_without_it_the_same_look_succeeds(holder: subprocess.Popen[str]) -> None:
    seen = peek(holder.pid)

    assert (seen["mem"], seen["environ"]) == ("open", "open")


def test_hosts_and_tasks_leave_no_core_unless_the_task_asks_for_one(attempt: Attempt) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    line = 'echo "soft $(ulimit -Sc)"; ulimit -Sc "$(ulimit -Hc)" && echo raised; read go < go'
    go = attempt.fifo("go")

    attempt.start(shell(line))

    limits = Path(f"/proc/{attempt.pid}/limits").read_text()
    os.write(go, b"\n")
    attempt.wait()
    assert attempt.texts("stdout") == ["soft 0", "raised"]
    assert resource.getrlimit(resource.RLIMIT_CORE) == before
    assert [line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size")] == ["0"]
