"""Loads a DAG file: its DAGs as manifests and bundles, or everything that is wrong with it."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import linecache
import sys
import traceback
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from leasehold.authoring.assets import AssetBook
from leasehold.authoring.bundle import Bundle, make_bundle
from leasehold.authoring.compile import draw, manifest_of
from leasehold.authoring.dags import Dag, listen
from leasehold.authoring.declared import undeclared
from leasehold.authoring.flow import cannot_follow
from leasehold.authoring.graph import Graph
from leasehold.authoring.local_files import local_files
from leasehold.authoring.mistakes import AuthoringError, gather_mistakes
from leasehold.authoring.outside import imports_from_outside
from leasehold.authoring.problems import Problem, as_problem
from leasehold.authoring.schedules import timing_of
from leasehold.authoring.script import ScriptMetadata, script_metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledDag:
    """A DAG, ready to be deployed.

    Attributes:
        name: The DAG's name.
        manifest: JSON data of the protocol's ``Manifest``, ``bundle`` included.
        bundle: The code; None when no task needs any.
        script: What the file says about the environment it needs.
        warnings: What may be meant, and may be a mistake.
    """

    name: str
    manifest: dict[str, Any]
    bundle: Bundle | None
    script: ScriptMetadata
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFile:
    """What a DAG file holds: its DAGs, or its problems when it has any.

    Attributes:
        path: The file, absolute.
        dags: The DAGs in the order they are written; empty when there are problems.
        problems: What is wrong, in the order of lines; empty when nothing is.
    """

    path: Path
    dags: tuple[CompiledDag, ...] = ()
    problems: tuple[Problem, ...] = ()


def load_file(path: str | Path) -> LoadedFile:
    """Import a DAG file and compile its DAGs. Nothing of it stays imported, and no task's function is called."""
    file = Path(path).resolve()
    try:
        source = file.read_bytes()
    except OSError as problem:
        return _failed(file, [Problem(file=str(file), line=0, message=f"can't be read: {problem.strerror}")])
    try:
        _check_file_name(file)
        tree = ast.parse(source, str(file))
        script = script_metadata(source.decode("utf-8-sig", errors="replace"), str(file))
    except SyntaxError as problem:
        return _failed(file, [_syntax(problem, file)])
    except AuthoringError as mistake:
        return _failed(file, [as_problem(mistake)])
    linecache.checkcache(str(file))
    with _alone(file.parent) as imported:
        return _load(file, tree, script, imported)


class _File:
    """A DAG file that has been imported."""

    def __init__(self, path: Path, tree: ast.Module, script: ScriptMetadata, module: ModuleType) -> None:
        self.path = path
        self.script = script
        self.module = module
        self.imported: list[str] = []
        self._trees = {str(path): tree}

    def tree(self, file: str) -> ast.Module:
        """Return the parsed text of the DAG file, or of a module beside it that defines a task."""
        if file not in self._trees:
            self._trees[file] = ast.parse(Path(file).read_bytes(), file)
        return self._trees[file]


def _load(path: Path, tree: ast.Module, script: ScriptMetadata, before: set[str]) -> LoadedFile:
    gathered: list[AuthoringError] = []
    gather_mistakes(gathered)
    try:
        loaded = _load_all(path, tree, script, before, gathered)
    finally:
        gather_mistakes(None)
    problems = [*(as_problem(mistake) for mistake in gathered), *loaded.problems]
    problems = list(dict.fromkeys(problems))  # two DAGs of one file may share a mistake
    return _failed(path, problems) if problems else loaded


def _load_all(
    path: Path, tree: ast.Module, script: ScriptMetadata, before: set[str], gathered: list[AuthoringError]
) -> LoadedFile:
    made: list[Dag[...]] = []
    listen(made)
    try:
        module = _import(path)
    except AuthoringError as mistake:
        return _failed(path, [as_problem(mistake)])
    except (Exception, SystemExit) as problem:  # noqa: BLE001 - whatever an author's module raises is a finding
        return _failed(path, [_raised(problem, path, "importing the file", script)])
    finally:
        listen(None)
    loaded = _File(path, tree, script, module)
    loaded.imported = [
        str(other.__file__) for name, other in [*sys.modules.items()] if name not in before and _file(other)
    ]
    dags = [dag for dag in made if dag.function.__module__ == module.__name__]
    # Where something else is wrong already, a DAG may be missing only because its author has not got there yet.
    problems = _same_names(dags) if dags or gathered else _no_dag(path)
    compiled: list[CompiledDag] = []
    assets = AssetBook()
    for dag in dags:
        found = _compile(dag, loaded, assets)
        compiled += [found] if isinstance(found, CompiledDag) else []
        problems += found if isinstance(found, list) else []
    return _failed(path, problems) if problems else LoadedFile(path=path, dags=tuple(compiled))


def _compile(dag: Dag[...], loaded: _File, assets: AssetBook) -> CompiledDag | list[Problem]:
    try:
        graph, schema = draw(dag)
        mistakes = [*graph.mistakes, *assets.contradictions(_assets_of(graph)), *_undeclared(graph, loaded)]
        mistakes += _branches_into_nothing(graph, loaded)
        # With dependencies nobody knows, before they are installed, which modules they bring.
        if not loaded.script.dependencies and any(node.task for node in graph.nodes.values()):
            mistakes += imports_from_outside(loaded.tree(str(loaded.path)), loaded.path)
        if mistakes:
            return [as_problem(mistake) for mistake in mistakes]
        description = dag.description or _first_paragraph(dag.function.__doc__ or loaded.module.__doc__)
        root = str(loaded.path.parent)
        timing, warnings = timing_of(dag.timing, schema, place=dag.place)
        manifest = timing | manifest_of(dag, graph, schema, script=loaded.script, description=description, root=root)
        bundle = _bundle(dag, graph, loaded)
    except AuthoringError as mistake:
        return [as_problem(mistake)]
    except (Exception, SystemExit) as problem:  # noqa: BLE001 - the body is the author's code
        return [_raised(problem, loaded.path, f"the body of the DAG {dag.name!r}")]
    manifest["bundle"] = bundle and bundle.sha256
    return CompiledDag(name=dag.name, manifest=manifest, bundle=bundle, script=loaded.script, warnings=tuple(warnings))


def _assets_of(graph: Graph) -> Iterator[tuple[str, Mapping[str, object], tuple[str, int]]]:
    return ((node.id, node.options.entry, node.options.place) for node in graph.nodes.values())


def _undeclared(graph: Graph, loaded: _File) -> Iterator[AuthoringError]:
    tasks = {id(node.task): node.task for node in graph.nodes.values() if node.task}
    for task in tasks.values():
        file = inspect.getsourcefile(task.function)
        if file:
            yield from undeclared(task, loaded.tree(file))


def _branches_into_nothing(graph: Graph, loaded: _File) -> Iterator[AuthoringError]:
    for node in graph.nodes.values():
        if node.task and node.task.manner.is_branch and (file := inspect.getsourcefile(node.task.function)):
            yield from cannot_follow(node, loaded.tree(file))


def _bundle(dag: Dag[...], graph: Graph, loaded: _File) -> Bundle | None:
    if not dag.include and all(node.task is None for node in graph.nodes.values()):
        return None
    try:
        files = local_files(loaded.path, loaded.imported, dag.include)
    except ValueError as problem:
        raise AuthoringError(str(problem), place=dag.place) from None
    return make_bundle(loaded.path.parent, files)


@contextmanager
def _alone(folder: Path) -> Generator[set[str]]:
    """Import as from a fresh process in ``folder``, and leave no trace. Yields the names imported before."""
    modules, path, no_bytecode = dict(sys.modules), list(sys.path), sys.dont_write_bytecode
    for name, module in modules.items():
        if _file(module) and Path(str(module.__file__)).is_relative_to(folder) and not name.startswith("leasehold"):
            del sys.modules[name]  # loaded for another file of this folder, and perhaps changed since
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield before
    finally:
        for name in set(sys.modules) - before:
            if _file(sys.modules[name]) and Path(str(sys.modules[name].__file__)).is_relative_to(folder):
                del sys.modules[name]
        sys.modules.update(modules)
        sys.path[:] = path
        sys.dont_write_bytecode = no_bytecode


def _file(module: object) -> str | None:
    return getattr(module, "__file__", None)


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise AuthoringError("this is not a Python file", "Name it ….py.", place=(str(path), 0))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _check_file_name(path: Path) -> None:
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier():
        raise AuthoringError(
            f"{path.name!r} can't be imported by its name",
            "Use letters, digits and _: my_dag.py.",
            place=(str(path), 0),
        )
    if name in sys.stdlib_module_names or name in ("leasehold", "__main__"):
        raise AuthoringError(
            f"{path.name!r} has the name of a module that Python or Leasehold needs", "Rename it.", place=(str(path), 0)
        )


def _no_dag(path: Path) -> list[Problem]:
    cure = "Put @dag on the function that calls the tasks."
    return [Problem(file=str(path), line=0, message="there is no DAG in this file", cure=cure)]


def _same_names(dags: list[Dag[...]]) -> list[Problem]:
    first: dict[str, Dag[...]] = {}
    problems: list[Problem] = []
    for dag in dags:
        there = first.setdefault(dag.name, dag)
        if there is not dag:
            cure = f"The first is at line {there.place[1]}. Give this one another: @dag(name=…)."
            message = f"two DAGs have the name {dag.name!r}"
            problems.append(Problem(file=dag.place[0], line=dag.place[1], message=message, cure=cure))
    return problems


def _syntax(problem: SyntaxError, path: Path) -> Problem:
    near = f": {problem.text.strip()}" if problem.text else ""
    column = max(problem.offset or 0, 0)
    end = problem.end_offset if problem.end_lineno == problem.lineno and problem.end_offset else column + 1
    return Problem(
        file=str(path),
        line=problem.lineno or 0,
        message=f"syntax error: {problem.msg}{near}",
        column=column,
        end_column=max(end, column + 1) if column else 0,
    )


def _raised(problem: BaseException, path: Path, doing: str, script: ScriptMetadata | None = None) -> Problem:
    """Point at the author's own line, however deep the exception came from."""
    if isinstance(problem, SyntaxError):
        return _syntax(problem, Path(problem.filename or path))
    frames = [
        frame for frame in traceback.extract_tb(problem.__traceback__) if Path(frame.filename).parent == path.parent
    ]
    line = (frames[-1].lineno or 0) if frames else 0
    file = frames[-1].filename if frames else str(path)
    what = "".join(traceback.format_exception_only(problem)).strip()
    cure = ""
    if isinstance(problem, ModuleNotFoundError):
        cure = f"Put {problem.name}.py beside the DAG file, or name its package in dependencies (# /// script)."
        if script is not None and script.dependencies:
            cure = (
                f"If it comes from a dependency: import {problem.name} inside the task, where it is installed, "
                "or install it here as well."
            )
    return Problem(file=file, line=line, message=f"{doing} raised {what}", cure=cure)


def _failed(path: Path, problems: list[Problem]) -> LoadedFile:
    return LoadedFile(
        path=path, problems=tuple(sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column)))
    )


def _first_paragraph(docstring: str | None) -> str:
    return " ".join(inspect.cleandoc(docstring or "").partition("\n\n")[0].split())
