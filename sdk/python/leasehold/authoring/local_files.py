"""The files that a DAG file needs from its own folder: the modules it imports there, and what it names itself."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_LEFT_OUT = {"__pycache__", "site-packages", "node_modules"}


def local_files(dag_file: Path, imported: Iterable[str], include: Iterable[str] = ()) -> list[Path]:
    """Return the files that must travel with a DAG file, itself included, sorted.

    Args:
        dag_file: The DAG file.
        imported: The files of modules that importing it brought in.
        include: Patterns relative to its folder, as ``pathlib`` understands them.

    Raises:
        ValueError: if a module has the name of one of Python's, or a pattern fits no file or leads out of the folder.
    """
    folder = dag_file.parent
    found: set[Path] = set()
    waiting = [dag_file]
    for name in {*_tops(folder, imported)}:
        waiting += _module_files(folder, name)
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        _check_name(file.relative_to(folder))
        found.add(file)
        if file.suffix == ".py":
            for name in _imported_names(file):
                waiting += [other for other in _module_files(folder, name) if other not in found]
    for pattern in include:
        found.update(_included(folder, pattern))
    return sorted(found)


def _check_name(file: Path) -> None:
    """A local ``json.py`` would be found where the task runs whenever Python itself asks for ``json``."""
    name = file.parts[0].removesuffix(".py")
    if name in sys.stdlib_module_names:
        raise ValueError(f"{file} has the name of Python's own module {name!r}: rename it")


def _tops(folder: Path, imported: Iterable[str]) -> Iterator[str]:
    """Yield the top-level names of modules that came from the folder."""
    for file in imported:
        path = Path(file)
        if path.is_relative_to(folder):
            top = path.relative_to(folder).parts[0]
            yield top.removesuffix(".py")


def _module_files(folder: Path, name: str) -> list[Path]:
    """Return the files of the module or package ``name`` beside the DAG file; none when it isn't there."""
    module, package = folder / f"{name}.py", folder / name
    if (package / "__init__.py").is_file() or (not module.is_file() and _has_python(package)):
        return [file for file in sorted(package.rglob("*")) if file.is_file() and _travels(file.relative_to(folder))]
    return [module] if module.is_file() else []


def _has_python(package: Path) -> bool:
    return package.is_dir() and package.name not in _LEFT_OUT and any(package.glob("*.py"))


def _travels(file: Path) -> bool:
    return not any(part in _LEFT_OUT or part.startswith(".") for part in file.parts) and file.suffix not in (
        ".pyc",
        ".pyo",
    )


def _imported_names(file: Path) -> set[str]:
    """Return the top-level names a file imports anywhere, also inside functions that run much later."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return set()  # it lies in a package and nothing imported it: it travels as it is
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                names.update(alias.name.partition(".")[0] for alias in aliases)
            case ast.ImportFrom(module=str(module), level=0):
                names.add(module.partition(".")[0])
            case _:
                pass
    return names - sys.stdlib_module_names - {"leasehold"}


def _included(folder: Path, pattern: str) -> list[Path]:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise ValueError(f"include={pattern!r} leads out of the DAG file's folder: only what is beside it can travel")
    files = [file for file in folder.glob(pattern) if file.is_file() and _travels(file.relative_to(folder))]
    if not files:
        raise ValueError(f"include={pattern!r} fits no file in {folder}")
    return files
