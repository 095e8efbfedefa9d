"""The machine: the disk and its permissions, limits, and whether tasks can be run at all."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

from leasehold_agent.config import Settings
from leasehold_agent.durable import write_durably
from leasehold_agent.health.disk import MIB, budget_bytes, low_disk
from leasehold_agent.host.spawn import HostNotStartedError, HostZygote
from leasehold_agent.runtimes.engines import NONE, find_engine
from leasehold_protocol.findings import Finding, fine, problem, warning

_SLOW_FSYNC_MS = 100.0
_FEWEST_FILES = 1024
_MEMORY_PER_SLOT = 64 * MIB
_PYTHON_S = 30.0
_TRY = "import sys; sys.path.insert(0, sys.argv[1]); import leasehold.child; print(sys.version.split()[0])"


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Look at the room, the speed and the safety of the state directory."""
    state_dir = settings.state_dir
    place = next(path for path in (state_dir, *state_dir.parents) if path.exists())
    disk = shutil.disk_usage(place)
    low = low_disk(free=disk.free, low_water_mb=settings.disk_low_water_mb, was_low=False, place=place)
    budget = budget_bytes(settings.disk_budget_mb, disk.total) // MIB
    if low is not None:
        yield problem("disk", low.removeprefix("disk: "), "Make room there, or name another --state-dir.")
    else:
        yield fine(
            "disk", f"{disk.free // MIB} MiB free under {place}; the agent may take {budget} MiB (disk_budget_mb)"
        )
    if os.statvfs(place).f_flag & os.ST_NOEXEC:
        cure = "Mount it without noexec if tasks run programs that they bring along or unpack."
        yield warning("mount", f"{place} is mounted noexec: programs can't be started from it", cure)
    if place != state_dir:
        can = os.access(place, os.W_OK | os.X_OK)
        text = f"{state_dir} is not there yet; {place} {'lets' if can else 'does not let'} this user make it"
        yield (
            fine("permissions", text)
            if can
            else problem("permissions", text, "Run as another user, or name another --state-dir.")
        )
        return
    yield _permissions(state_dir)
    yield _fsync(state_dir)


def _permissions(state_dir: Path) -> Finding:
    facts = state_dir.stat()
    if facts.st_uid != os.geteuid():
        cure = f"Run as the user with id {facts.st_uid}, or give it away: chown -R."
        return problem("permissions", f"{state_dir} belongs to the user with id {facts.st_uid}, not to this one", cure)
    if facts.st_mode & 0o077:
        return problem("permissions", f"other users may look into {state_dir}", f"Run: chmod 700 {state_dir}")
    return fine("permissions", f"{state_dir} is this user's alone")


def _fsync(state_dir: Path) -> Finding:
    probe = state_dir / f".doctor-{os.getpid()}"
    started = time.monotonic()
    try:
        write_durably(probe, b"x" * 4096)
    except OSError as error:
        return problem(
            "fsync", f"nothing can be written in {state_dir}: {error.strerror}", "Make room, or mount it rw."
        )
    finally:
        probe.unlink(missing_ok=True)
    took = round((time.monotonic() - started) * 1000, 1)
    if took > _SLOW_FSYNC_MS:
        cure = "Every attempt waits for that disk a few times: use a faster one, or look what keeps it busy."
        return warning("fsync", "the disk is slow to make writes durable", cure, took_ms=took)
    return fine("fsync", "the disk makes writes durable", took_ms=took)


async def check_runtimes(settings: Settings) -> AsyncIterator[Finding]:
    """Start a task's interpreter with the SDK, and a host zygote."""
    yield _python(settings.python)
    hosts = HostZygote()
    try:
        await hosts.probe()
    except (OSError, HostNotStartedError) as error:
        yield problem("hosts", f"no attempt host can be started: {error}", "Look at the limits below; install again.")
    else:
        yield fine("hosts", "attempt hosts can be started")
    finally:
        await hosts.close()


def check_containers(settings: Settings) -> Iterator[Finding]:
    """Look whether containers can run; without them everything else does."""
    if settings.container_engine == NONE:
        yield fine("containers", "none are to run here (container_engine)")
        return
    engine = find_engine(settings.container_engine, search_path=os.environ.get("PATH", os.defpath))
    if engine.path is not None:
        yield fine("containers", f"{engine.path} runs them ({engine.version})")
    elif engine.problem:
        cure = "Start it and let the agent's user use it, name another in `container_engine`, or set that to none."
        yield warning("containers", engine.problem, cure)
    else:
        yield fine("containers", "none can run here: there is neither podman nor docker")


def _python(python: Path) -> Finding:
    spec = find_spec("leasehold")
    if spec is None or not spec.submodule_search_locations:
        return problem("python", "the Task SDK is not installed with this agent", "Install the agent again.")
    folder = str(Path(next(iter(spec.submodule_search_locations))).parent)
    started = time.monotonic()
    try:
        done = subprocess.run(
            [str(python), "-I", "-S", "-c", _TRY, folder],
            capture_output=True,
            text=True,
            timeout=_PYTHON_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return problem("python", f"{python} does not start: {error}", "Set `python` to an interpreter of Python 3.11.")
    took = round((time.monotonic() - started) * 1000, 1)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        cure = "Set `python` to an interpreter of Python 3.11 or newer; if it is one, install the agent again."
        return problem("python", f"{python} can't import the Task SDK: {last[:300]}", cure, took_ms=took)
    return fine("python", f"{python} is Python {done.stdout.strip()}, and has the Task SDK", took_ms=took)


def check_limits(settings: Settings) -> Iterator[Finding]:
    """Look at what the system lets this process have."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY and files < _FEWEST_FILES:
        cure = f"Raise it to {_FEWEST_FILES} or more: LimitNOFILE= in the service, or ulimit -n."
        yield warning("open files", f"at most {files} files may be open", cure)
    else:
        yield fine("open files", "as many as it likes" if files == resource.RLIM_INFINITY else f"up to {files}")
    available = _available_memory()
    if available is not None and available < settings.slots * _MEMORY_PER_SLOT:
        text = f"{available // MIB} MiB of memory for {settings.slots} slots"
        yield warning("memory", text, "Set fewer slots: the system kills tasks when memory runs out.")
    elif available is not None:
        yield fine("memory", f"{available // MIB} MiB available for {settings.slots} slots")
    yield fine("cgroup", _cgroup())


def _available_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _cgroup() -> str:
    """Say whether this process may make control groups for its tasks; it works without them."""
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        own = []
    path = next((line.removeprefix("0::") for line in own if line.startswith("0::")), None)
    if path is not None:
        folder = Path("/sys/fs/cgroup") / path.lstrip("/")
        if (folder / "cgroup.controllers").exists() and os.access(folder, os.W_OK):
            return f"delegated: {path}"
    return "none delegated; a task's processes are found and ended without one"
