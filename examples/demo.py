"""The whole product once through, on this machine: an API, two sites with an agent each, and a DAG that needs both.

    python examples/demo.py           runs it, shows it, ends everything            (make demo)
    python examples/demo.py --up      leaves it running                             (make up)
    python examples/demo.py --down    ends what --up left running                   (make down)

It does nothing that a person could not type: every step is a public command, printed as it is run. Everything it
writes is under .demo/, made anew each time.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # it is also run as a file, and then Python does not look here

from examples import demo_processes  # noqa: E402 - after the path is right

HOME = Path(".demo")
PROCESSES = HOME / "processes.json"
SITES = ("north", "plant")
HEALTHY_S = 60.0
DRAIN_S = 20.0


class StepFailedError(Exception):
    """A step of the demo did not do what it should; its output has been shown."""


def main() -> int:
    """Run the demo and return the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    mode = options.add_mutually_exclusive_group()
    mode.add_argument("--up", action="store_true", help="leave it running")
    mode.add_argument("--down", action="store_true", help="end what --up left running")
    chosen = options.parse_args()
    os.chdir(ROOT)
    return down() if chosen.down else Demo(keep=chosen.up).run()


class Demo:
    """One run of the demo."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._processes: list[demo_processes.Process] = []
        self._env = environment()

    def run(self) -> int:
        """Do every step; whatever happens, leave no process unless it shall stay."""
        if left := [process for process in demo_processes.load(PROCESSES) if demo_processes.is_alive(process)]:
            say(f"An earlier demo is still running ({len(left)} processes). End it first: make down")
            return 1
        demo_processes.adopt_orphans()
        signal.signal(signal.SIGTERM, _as_interrupt)
        stays = False
        try:
            self._steps()
            stays = self._keep
            code = 0
        except StepFailedError as error:
            say(f"\nThe demo stops here: {error}\nWhat the programs said is in {HOME}/logs/.")
            code = 1
        except KeyboardInterrupt:
            say("\nInterrupted; ending what was started.")
            code = 130
        finally:
            # From here on nothing may interrupt: what was started has to end.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            clean = stays or end(self._processes, [*_below_us()])
        if code == 0:
            self._tell_how_to_look_further()
        return code if clean else 1

    def _steps(self) -> None:
        self._fresh_home()
        url = self._serve()
        self._step("leasehold", "login", url, "--token-file", f"{HOME}/api/bootstrap.token")
        for site in SITES:
            self._let_in(site, url)
        for site in SITES:
            self._start(f"agent-{site}", "edge-agent", "run", "--state-dir", f"{HOME}/{site}")
        self._prepare_places()
        self._step("leasehold", "deploy", "examples/sensor_report.py")
        trigger = ("leasehold", "runs", "trigger", "sensor_report", "--param", "rehearse_failure=true", "--watch")
        self._step(*trigger, live=True)

    def _fresh_home(self) -> None:
        shutil.rmtree(HOME, ignore_errors=True)
        for folder in ("logs", *SITES):
            (HOME / folder).mkdir(parents=True, mode=0o700)

    def _serve(self) -> str:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self._start("api", "leasehold-api", "serve", "--state-dir", f"{HOME}/api", "--port", str(port))
        until = time.monotonic() + HEALTHY_S
        while not is_healthy(url):
            if not demo_processes.is_alive(self._processes[-1]):
                raise StepFailedError(f"leasehold-api ended at once. It said:\n{tail(HOME / 'logs' / 'api.log')}")
            if time.monotonic() > until:
                raise StepFailedError(f"leasehold-api is not healthy after {HEALTHY_S:.0f} s. See {HOME}/logs/api.log")
            time.sleep(demo_processes.POLL_S)
        return url

    def _let_in(self, site: str, url: str) -> None:
        self._step("leasehold", "sites", "create", site)
        self._step("leasehold", "tokens", "issue", site, "--output", f"{HOME}/{site}.token")
        enroll = ("edge-agent", "enroll", url, "--token-file", f"{HOME}/{site}.token")
        self._step(*enroll, "--name", f"{site}-1", "--state-dir", f"{HOME}/{site}")

    def _prepare_places(self) -> None:
        """Give each site what only it can reach: the plant its readings, north the archive of reports."""
        self._step("python", "examples/plant_data.py", f"{HOME}/plant/readings.db")
        for connection, site, file in (("plant_db", "plant", "readings.db"), ("report_archive", "north", "archive.db")):
            place = str((HOME / site / file).resolve())
            put = ("leasehold", "connections", "set", connection, "--conn-type", "sqlite", "--host", place)
            self._step(*put, "--site", site)
        self._step("leasehold", "variables", "set", "sensor_report/tolerance", "0.05")

    def _step(self, *argv: str, live: bool = False) -> None:
        """Run one command to its end; its output goes to the terminal, at once when it is live."""
        say(f"\n$ {shlex.join(argv)}")
        output = None if live else subprocess.PIPE
        done = subprocess.run(
            self._found(argv), stdout=output, stderr=output and subprocess.STDOUT, env=self._env, text=True, check=False
        )
        if done.stdout:
            say(done.stdout.rstrip())
        if done.returncode != 0:
            raise StepFailedError(f"{shlex.join(argv)} ended with exit code {done.returncode}.")

    def _start(self, name: str, *argv: str) -> None:
        """Start one program that stays."""
        say(f"\n$ {shlex.join(argv)} &")
        log = HOME / "logs" / f"{name}.log"
        process = demo_processes.start(name, self._found(argv), log=log, env=self._env, cwd=ROOT)
        self._processes.append(process)
        demo_processes.save(self._processes, PROCESSES)

    def _found(self, argv: Sequence[str]) -> list[str]:
        found = shutil.which(argv[0], path=self._env["PATH"])
        if found is None:
            raise StepFailedError(f"{argv[0]} is not installed. The README says how to install the workspace.")
        return [found, *argv[1:]]

    def _tell_how_to_look_further(self) -> None:
        say(f"\nEverything it wrote is in {HOME}/: logs/ (API and agents), api/ (the API's state), north/, plant/.")
        if not self._keep:
            say("All processes have ended. To look around in a running one: make up")
            return
        say("It goes on running. To use it from this terminal:\n")
        say(f"  export LEASEHOLD_CONFIG_DIR={shlex.quote(self._env['LEASEHOLD_CONFIG_DIR'])}")
        say(f"  export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH\n")
        for line in (
            "leasehold runs list",
            "leasehold runs show RUN",
            "leasehold logs RUN -f",
            "leasehold agents list",
        ):
            say(f"  {line}")
        say(f"  edge-agent status --state-dir {HOME}/plant\n")
        say("To sign in as a person, open the link that this prints (once, within the hour):\n")
        say(f"  leasehold-api users bootstrap-link --state-dir {HOME}/api\n\nEnd it: make down")


def down() -> int:
    """End what an earlier ``--up`` left running."""
    processes = demo_processes.load(PROCESSES)
    alive = [process for process in processes if demo_processes.is_alive(process)]
    if not alive:
        say("Nothing of the demo is running.")
        return 0
    below = [below for process in alive for below in demo_processes.descendants(process.pid)]
    clean = end(alive, below)
    if clean:
        PROCESSES.unlink(missing_ok=True)
        say(f"The demo has ended. What it wrote is still in {HOME}/.")
    return 0 if clean else 1


def end(processes: Sequence[demo_processes.Process], below: Sequence[demo_processes.Process]) -> bool:
    """End agents, then the API; then see that nothing they started is left. Returns whether all went by asking."""
    agents = [process for process in processes if process.name != "api"]
    deaf = demo_processes.stop(agents, patience_s=DRAIN_S)
    deaf += demo_processes.stop([process for process in processes if process.name == "api"], patience_s=DRAIN_S)
    known = {process.pid for process in processes}
    rest = {process.pid: process for process in (*below, *_below_us()) if process.pid not in known}
    left = demo_processes.wait_for_end(list(rest.values()), DRAIN_S / 2)
    demo_processes.stop(left, patience_s=DRAIN_S / 4)
    for process in (*deaf, *left):
        say(f"Had to be ended by force: {process.name} (pid {process.pid})")
    return not deaf and not left


def _below_us() -> list[demo_processes.Process]:
    return demo_processes.descendants(os.getpid())


def environment() -> dict[str, str]:
    """Return the environment of every command: this installation first, nobody's sign-in but the demo's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEASEHOLD_")}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "LEASEHOLD_CONFIG_DIR": str(ROOT / HOME / "cli"),
        "LEASEHOLD_TOKEN_STORE": "file",
        "LEASEHOLD_AGENT_KEY_STORE": "file",
        "NO_PROXY": "127.0.0.1",
    }


def free_port() -> int:
    """Return a port of the loopback address that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_healthy(url: str) -> bool:
    """Ask the API whether it is well."""
    # Without a proxy: the one in the environment does not know this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def tail(file: Path, lines: int = 20) -> str:
    """Return the last lines of a file."""
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def say(text: str) -> None:
    """Print, at once: commands print to the same terminal."""
    print(text, flush=True)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
