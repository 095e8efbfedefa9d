"""A container engine that runs commands in place: its containers are processes of its own, not of who asks for them.

It honours what the agent uses of podman and docker. Mounts are seen by themselves, for everything has its own path.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_WITH_VALUE = {
    *("--name", "--label", "--cidfile", "--log-driver", "--pull", "--workdir", "--mount", "--env-file", "--env"),
    *("--memory", "--user", "--entrypoint"),
}
_CLIENT = Path(__file__).with_name("client.py")


@dataclass
class Asked:
    """One call of the engine's command."""

    argv: list[str]
    env: dict[str, str]


@dataclass
class EngineInPlace:
    """The engine; its command is ``path``."""

    folder: Path
    image: str = "localhost/tools:1"
    name: str = "docker"
    asked: list[Asked] = field(default_factory=list[Asked])
    containers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])

    @property
    def path(self) -> str:
        return str(self.folder / self.name)

    options: tuple[str, ...] = ()

    def start(self) -> None:
        program = self.folder / self.name
        program.write_text(f"#!{sys.executable} -IS\n" + _CLIENT.read_text())
        program.chmod(0o755)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.folder / "engine.sock"))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        (self.folder / "engine.sock").unlink(missing_ok=True)
        self._listening.close()
        for name in list(self.containers):
            self._kill(name)

    def names(self) -> list[str]:
        return list(self.containers)

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        data, files, _, _ = socket.recv_fds(line, 1 << 20, 2)
        while not data.endswith(b"\n"):
            data += line.recv(1 << 20)
        asked: dict[str, Any] = json.loads(data)
        self.asked.append(Asked(asked["argv"], asked["env"]))
        try:
            status = self._do(asked, files, line)
        finally:
            for fd in files:
                os.close(fd)
        try:
            line.sendall(f"{status}\n".encode())
        except OSError:
            pass  # the client was killed
        finally:
            line.close()

    def _do(self, asked: dict[str, Any], files: list[int], line: socket.socket) -> int:
        match asked["argv"]:
            case ["ps", "--quiet"]:
                return 0
            case ["ps", "--all", "--filter", pattern]:
                named = [name for name in self.containers if re.search(pattern.removeprefix("name="), name)]
                os.write(files[0], "".join(f"{text}\n" for text in ["NAMES", *named]).encode())
                return 0
            case ["kill", "--signal", "TERM", name] if name in self.containers:
                os.killpg(self.containers[name].pid, signal.SIGTERM)
                return 0
            case ["kill", "--signal", "KILL", name] | ["rm", "--force", name]:
                return self._kill(name)
            case ["run", *rest]:
                return self._run(rest, asked, files, line)
            case other:
                os.write(files[1], f"no such command: {other}\n".encode())
                return 125

    def _kill(self, name: str) -> int:
        process = self.containers.pop(name, None)
        if process is None:
            return 1
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return 0

    def _run(self, rest: list[str], asked: dict[str, Any], files: list[int], line: socket.socket) -> int:
        options: dict[str, list[str]] = {}
        while rest and rest[0].startswith("-"):
            option = rest.pop(0)
            options.setdefault(option, []).append(rest.pop(0) if option in _WITH_VALUE else "")
        image, *command = rest
        if image != self.image:
            os.write(files[1], f"Error: {image}: image not known\n".encode())
            return 125
        (name,) = options["--name"]
        env = {"PATH": os.environ["PATH"]}
        for entry in Path(options["--env-file"][0]).read_text().splitlines():
            env.update([entry.split("=", 1)])
        env |= {variable: asked["env"][variable] for variable in options["--env"]}
        Path(options["--cidfile"][0]).write_text("0123456789abcdef")
        argv = [*options.get("--entrypoint", []), *command]
        try:
            self.containers[name] = process = subprocess.Popen(
                argv, env=env, cwd=options["--workdir"][0], stdout=files[0], stderr=files[1], start_new_session=True
            )
        except FileNotFoundError:
            os.write(files[1], f"Error: {argv[0]}: not found in the image\n".encode())
            return 127
        threading.Thread(target=_pass_signals, args=(line, process), daemon=True).start()
        status = process.wait()
        self.containers.pop(name, None)
        return 128 - status if status < 0 else status


def _pass_signals(line: socket.socket, process: subprocess.Popen[bytes]) -> None:
    try:
        while line.recv(64):
            os.killpg(process.pid, signal.SIGTERM)
    except OSError:
        return
