"""Finds imports that would fail where the task runs: what is neither Python's own nor beside the DAG file."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from leasehold.authoring.mistakes import AuthoringError


def imports_from_outside(tree: ast.Module, file: Path) -> Iterator[AuthoringError]:
    """Yield a mistake for every such import in a DAG file.

    An import inside ``try`` may fail on purpose, and one under ``if TYPE_CHECKING`` never happens.
    """
    for node in _that_happen(tree):
        for name in _names(node):
            if name not in sys.stdlib_module_names and name != "leasehold" and not _is_beside(file.parent, name):
                yield AuthoringError(
                    f"the file imports {name}, which is neither in the standard library nor beside the file: "
                    "the tasks would not find it where they run",
                    "Name its package in dependencies (# /// script), put the module beside the file, "
                    "or call a program that the site has: shell(…), program(…).",
                    place=(str(file), getattr(node, "lineno", 0)),
                )


def _that_happen(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Try) or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            continue
        yield child
        yield from _that_happen(child)


def _names(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=aliases):
            return [alias.name.partition(".")[0] for alias in aliases]
        case ast.ImportFrom(module=str(module), level=0):
            return [module.partition(".")[0]]
        case _:
            return []


def _is_beside(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()
