"""The Task SDKs as files: tasks import them from a folder, so they can't sit inside the executable."""

from __future__ import annotations

import compileall
import py_compile
import shutil
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "sdk/python/leasehold"
JS_SOURCE = Path(__file__).parents[1] / "sdk/js"


def staged_sdk(work_dir: str) -> list[tuple[str, str]]:
    """Copy the SDK without the ``leasehold`` command, compile it, and return it as PyInstaller's list of data files.

    The byte code names no time and no folder of the machine that made it, and is never checked against the source:
    whoever may write beside it may write the executable too.
    """
    staged = Path(work_dir) / "sdk"
    shutil.rmtree(staged, ignore_errors=True)
    package = staged / "leasehold"
    shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("cli", "__pycache__"))
    compiled = compileall.compile_dir(
        package,
        quiet=1,
        stripdir=str(staged),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit(f"The Task SDK in {SOURCE} can't be compiled: what is above names the file.")
    files = sorted(file for file in package.rglob("*") if file.is_file())
    return [(str(file), str(file.parent.relative_to(staged))) for file in files]


def js_binding() -> list[tuple[str, str]]:
    """Return the binding for Node as PyInstaller's list of data files: where the agent looks for it."""
    files = [JS_SOURCE / "package.json", JS_SOURCE / "index.js", *sorted((JS_SOURCE / "src").glob("*.js"))]
    return [(str(file), str("leasehold_agent/sdk_js" / file.parent.relative_to(JS_SOURCE))) for file in files]
