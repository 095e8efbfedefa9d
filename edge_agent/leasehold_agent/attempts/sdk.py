"""What tasks find of us: the Task SDK in a folder with nothing else in it, the binding for Node, and this command."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def expose_sdk(state_dir: Path, version: str) -> Path:
    """Return ``<state>/sdk/<version>``, in which ``leasehold`` leads to the installed SDK.

    Raises:
        OSError: the link can't be made.
        ModuleNotFoundError: the SDK is not installed with the agent.
    """
    spec = find_spec("leasehold")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the Task SDK (leasehold) is not installed with this agent", name="leasehold")
    package = Path(next(iter(spec.submodule_search_locations))).resolve()
    folder = state_dir / "sdk" / version
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    link = folder / "leasehold"
    if not link.is_symlink() or link.readlink() != package:
        if link.is_dir() and not link.is_symlink():  # a backup that followed links was restored here
            shutil.rmtree(link)
        aside = folder / ".leasehold.new"
        aside.unlink(missing_ok=True)
        aside.symlink_to(package)
        aside.replace(link)
    return folder


def js_binding() -> Path | None:
    """Return the module that Node programs import; none where it was left out of the installation."""
    module = Path(__file__).parents[1] / "sdk_js/index.js"
    return module.resolve() if module.is_file() else None


def own_command() -> Path | None:
    """Return the command ``edge-agent`` as a file: the binary itself, or the script beside the interpreter."""
    if getattr(sys, "frozen", False):
        return Path(sys.executable)
    beside = Path(sys.executable).parent / "edge-agent"
    if beside.is_file():
        return beside
    found = shutil.which("edge-agent")
    return Path(found).absolute() if found else None
