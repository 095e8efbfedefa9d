"""The bindings of the task protocol, each as the task that makes the suite's calls in a real attempt.

``{"$special": name}`` in a case is ``nan``, ``huge`` (2**70), ``large`` (65 MiB of text) or ``64 bits`` (2**64 - 1).
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import leasehold
from leasehold_agent.attempts.sdk import expose_sdk, js_binding, own_command
from leasehold_protocol.v1.leases import Input
from leasehold_protocol.v1.manifest import LiteralValue, ProgramWork, PythonWork, Work
from tests.edge_agent.host.harness import Attempt, Zygote
from tests.support.node import node

HERE = Path(__file__).parent
SUITE: dict[str, Any] = json.loads((HERE / "cases.json").read_text())
BINDINGS = ("python", "js", "shell", "http")


def work_of(binding: str, job: str) -> Work:
    """Return the task of a binding; ``job`` is ``calls`` or ``ending``. Skips the test where there is no node."""
    if binding == "python":
        return PythonWork(module="runner_python", function=job)
    if binding == "js":
        return program(node(), str(HERE / "runner_js.mjs"))
    return program(sys.executable, str(HERE / f"runner_{binding}.py"))


def program(*argv: str) -> ProgramWork:
    return ProgramWork(argv=[LiteralValue(value=item) for item in argv], result="nothing")


def runtime(state_dir: Path) -> dict[str, str]:
    """Return what the agent writes into ``lease.json`` for the bindings."""
    sdk = expose_sdk(state_dir, leasehold.__version__)
    return {
        "python": sys.executable,
        "sdk_path": str(sdk),
        "sdk_js": str(js_binding()),
        "edge_agent": str(own_command()),
    }


@dataclass
class Agent:
    """Answers what the suite's API answers, and keeps what it was asked."""

    asked: list[list[Any]] = field(default_factory=list)
    sign_of_life: list[Any] = field(default_factory=list)

    def serve(self, attempt: Attempt) -> threading.Thread:
        """Answer in the background until the host ends."""
        thread = threading.Thread(target=self._serve, args=(attempt,), daemon=True)
        thread.start()
        return thread

    def _serve(self, attempt: Attempt) -> None:
        with attempt.control() as line:
            while (message := line.hear()) is not None:
                if message.get("tell") == "grew" and message.get("note"):
                    self.sign_of_life = [message["progress"], message["note"]]
                if "ask" in message:
                    call = f"{message['method']} {message['path']}"
                    self.asked.append([call, message.get("body")])
                    if call in SUITE["api"]:
                        status, body = SUITE["api"][call]
                        line.say(do="answer", id=message["ask"], status=status, body=body)


@dataclass(frozen=True)
class Done:
    """One attempt of the suite after its end."""

    attempt: Attempt
    ending: dict[str, Any]
    agent: Agent

    @property
    def answers(self) -> dict[str, Any]:
        """What each call was answered with, by the case's name."""
        answers: dict[str, Any] = json.loads((self.attempt.work / "answers.json").read_text())
        return answers


def done(binding: str, job: dict[str, Any], folder: Path, zygote: Zygote) -> Done:
    """Run a job in an attempt of its own, to its end."""
    attempt = Attempt(folder / "ti-1.1", zygote)
    bundle = folder / "bundle"
    bundle.mkdir()
    shutil.copy(HERE / "runner_python.py", bundle)
    (attempt.work / "job.json").write_text(json.dumps(job))
    agent = Agent()
    try:
        attempt.start(
            work_of(binding, "calls" if "calls" in job else "ending"),
            runtime=runtime(folder / "state"),
            bundle_dir=bundle,
            inputs=[Input(task="collect", key="rows", size=5, value=[1, 2])],
            **SUITE["declared"],
        )
        serving = agent.serve(attempt)
        ending = attempt.wait(patience_s=90)  # the shell's every call is a process
        serving.join(10)
    finally:
        attempt.clean_up()
    return Done(attempt, ending, agent)
