"""Mistakes in a DAG file are found before anything is sent, each with its line and its cure."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from leasehold.authoring.loading import load_file
from leasehold.authoring.problems import Problem

HEAD = """\
import leasehold
from leasehold import Connection, Variable as V, dag, program, shell, task

@task
def read(day=""): return []

@task
def load(rows): ...

"""
FIRST = HEAD.count("\n") + 1
"""The line on which a test's own text begins."""


def problems_of(folder: Path, source: str, head: str = HEAD, name: str = "flow.py") -> list[Problem]:
    file = folder / name
    file.write_text(head + textwrap.dedent(source))
    loaded = load_file(file)
    assert loaded.dags == ()
    assert all(problem.file == str(file) for problem in loaded.problems)
    return list(loaded.problems)


def in_body(*lines: str) -> str:
    return "@dag\ndef flow(limit: int = 3):\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("source", "line", "message", "cure"),
    [
        ("def flow(:\n", 0, "syntax error: invalid syntax: def flow(:", ""),
        ("import nowhere_at_all\n", 0, "raised ModuleNotFoundError", "Put nowhere_at_all.py beside"),
        ("def broken():\n    1 / 0\nbroken()\n", 1, "raised ZeroDivisionError: division by zero", ""),
        ("import sys; sys.exit(3)\n", 0, "raised SystemExit: 3", ""),
        ("import json; json.loads('{')\n", 0, "raised json.decoder.JSONDecodeError", ""),
        ("x = 1\n", None, "no DAG", "@dag"),
        (in_body("pass"), 0, "the DAG 'flow' has no tasks", "Call a task"),
        (in_body("1 / 0"), 2, "the body of the DAG 'flow' raised ZeroDivisionError", ""),
        (in_body("a = read()", "b = load(a)", "b >> a"), 4, "in a circle: ", "line 13, line 14"),
        (in_body("a = read()", "a >> a"), 3, "in a circle: read → read", ""),
        (in_body("a = shell('true', id='x')", "b = shell('true', id='x')"), 3, "two tasks have the id 'x'", "line 12"),
        (in_body("a = shell('true', id='read')", "read()"), 3, "two tasks have the id 'read'", ""),
        (in_body("read() >> 'load'"), 2, "str is not a task", "Call the task first"),
        (in_body("read() >> load"), 2, "Task is not a task", "Call the task first"),
        (in_body("load({'rows': [1, object()]})"), 2, 'rows["rows"][1] is a builtins.object', ""),
        (in_body("load([read(), {1: read()}])"), 2, "rows[1] has the key 1", ""),
        (in_body("load(read)"), 2, "is the task 'read' itself", ""),
        (in_body("load()"), 2, "missing a required argument: 'rows'", "It is load(rows)"),
        (in_body("load(1, 2)"), 2, "too many positional arguments", ""),
        (in_body("load('{{ dss }}')"), 2, "'dss', which is unknown: did you mean 'ds'?", "{{"),
        (in_body("load('{{ params.limt }}')"), 2, "did you mean 'params.limit'?", ""),
        (in_body("shell('echo {{ ds')"), 2, "never closed", ""),
        (in_body("if read(): pass"), 2, "a condition (if, while, and, or, not) needs the result of 'read'", "Pass it"),
        (in_body("len(read())"), 2, "len(…) needs the result of 'read'", "Pass it"),
        (in_body("shell(f'echo {read()}')"), 2, "f-string, print) needs the result of 'read'", "Pass it to a task"),
        (in_body("read()[0]"), 2, "[0] needs the result of 'read'", ""),
        (in_body("for row in read(): load(row)"), 2, "a loop, or unpacking, needs the result of 'read'", ""),
        (in_body("read().rows"), 2, ".rows needs the result of 'read'", ""),
        (in_body("load(read() + [1])"), 2, "arithmetic needs the result of 'read'", ""),
        (in_body("if limit > 3: read()"), 2, "a comparison needs the parameter 'limit'", "{{ params.limit }}"),
        (in_body("range(limit)"), 2, "a conversion needs the parameter 'limit'", ""),
        (in_body("f'{limit:>3}'"), 2, "the format '>3' needs the parameter 'limit'", ""),
        (in_body("load(shell('true', result='nothing'))"), 2, 'result="nothing"', ""),
        (in_body("shell('true', result='rows')"), 2, "result='rows' is unknown", "last_line"),
        (in_body("shell('true', env={'A-B': 1})"), 2, "'A-B' can't name an environment variable", ""),
        (in_body("program('ls -l')"), 2, "program takes a list", 'shell("ls -l")'),
        (in_body("shell('true', retries=-1)"), 2, "retries=-1: a whole number from 0 to 1000", ""),
        ("shell('true')\n", 0, "'shell' is called outside a DAG", "body of a @dag"),
        ("@task(retries=-1)\ndef f(): ...\n", 0, "retries=-1: a whole number from 0 to 1000", ""),
        ("@task(retries=True)\ndef f(): ...\n", 0, "retries=True", ""),
        ("@task(timeout='soon')\ndef f(): ...\n", 0, "timeout='soon': 'soon' is not a duration", ""),
        ("@task(timeout=-1)\ndef f(): ...\n", 0, "timeout=-1: -1 is not a duration", ""),
        ("@task(retry_delay='5 parsecs')\ndef f(): ...\n", 0, "retry_delay=", ""),
        ("@task(max_offline=1)\ndef f(): ...\n", 0, "max_offline=1: it may be 10 seconds to 7 days", ""),
        ("@task(priority=1000)\ndef f(): ...\n", 0, "priority=1000", ""),
        ("@task(connections='plant_db')\ndef f(): ...\n", 0, 'even for one: ["plant_db"]', ""),
        ("@task(connections=['plant db'])\ndef f(): ...\n", 0, "'plant db' can't be a name", ""),
        ("@task(needs=['linux'])\ndef f(): ...\n", 0, "a dictionary is needed", ""),
        ("@task(trigger_rule='never')\ndef f(): ...\n", 0, "there are all_success, all_failed, all_done,", ""),
        ("@task(trigger_rule='one_sucess')\ndef f(): ...\n", 0, "did you mean 'one_success'?", ""),
        ("@task(trigger_rule='all_done_setup_success')\ndef f(): ...\n", 0, "that is the rule of teardowns", ""),
        ("@task(retry=3)\ndef f(): ...\n", 0, "there is no option 'retry'", "retries"),
        ("@task(id='a b')\ndef f(): ...\n", 0, "'a b' can't be a name", ""),
        ("@dag(name='a b')\ndef f(): read()\n", 0, "'a b' can't be a name", ""),
        ("@dag\ndef f(*days): read()\n", 0, "has *days", "Name each"),
        ("@dag\ndef f(day: set): read()\n", 0, "the parameter 'day' of the DAG 'f' is a set", "Parameters are JSON"),
        ("@dag\ndef f(day: 'Nowhere'): read()\n", 0, "a type of the DAG 'f' is unknown", ""),
        ("@dag\ndef f(n: int = 'x'): read()\n", 0, "is 'x', but its type says integer", "fit"),
        ("@dag\ndef f(n: str = '{{ dss }}'): read()\n", 0, "the default of 'n'", ""),
        ("@dag\ndef f():\n    @task\n    def inner(): ...\n    inner()\n", 2, "can't be found by name", "top level"),
        ("@dag(include=['*.sql'])\ndef f(): read()\n", 0, "include='*.sql' fits no file", ""),
        ("@dag(include=['../x'])\ndef f(): read()\n", 0, "leads out of the DAG file's folder", ""),
        ("@dag\ndef f(): read()\n@dag(name='f')\ndef g(): read()\n", 2, "two DAGs have the name 'f'", "line 10"),
        ("@dag\ndef f(): read()\n@dag\ndef f(): read()\n", 2, "two DAGs have the name 'f'", "line 10"),
    ],
)
def test_a_mistake_is_found_at_its_line(tmp_path: Path, source: str, line: int | None, message: str, cure: str) -> None:
    (problem,) = problems_of(tmp_path, source)

    assert problem.line == (0 if line is None else FIRST + line)
    assert message in problem.message
    assert cure in problem.cure


def test_everything_wrong_with_the_calls_is_reported_at_once(tmp_path: Path) -> None:
    found = problems_of(tmp_path, in_body("load(object())", "load('{{ dss }}')", "a = read()", "a >> a"))

    assert [problem.line - FIRST for problem in found] == [2, 3, 5]


def test_undeclared_connections_and_variables_are_found_where_they_are_asked_for(tmp_path: Path) -> None:
    source = """\
        @task(connections=["plant_db"], variables=["limit"])
        def collect():
            Connection.get("plant_db")
            Connection.get("plant_bd")
            leasehold.Connection.get(id="store")
            V.set("limit", 1)
            V.get("limits", default=3)
            {}.get("elsewhere")

        @dag
        def flow(): collect()
    """

    found = problems_of(tmp_path, source)

    assert [(problem.line - FIRST, problem.message, problem.cure) for problem in found] == [
        (
            3,
            "task 'collect' asks for the connection 'plant_bd', which it does not declare",
            "Did you mean 'plant_db'? Otherwise add it: @task(connections=['plant_db', 'plant_bd']).",
        ),
        (
            4,
            "task 'collect' asks for the connection 'store', which it does not declare",
            "Add it: @task(connections=['plant_db', 'store']).",
        ),
        (
            6,
            "task 'collect' asks for the variable 'limits', which it does not declare",
            "Did you mean 'limit'? Otherwise add it: @task(variables=['limit', 'limits']).",
        ),
    ]


def test_a_dag_that_is_started_without_being_declared_is_found(tmp_path: Path) -> None:
    source = """\
        from leasehold import runs

        @task(triggers=["load_all"])
        def collect():
            runs.trigger("load_all", {"day": "today"})
            runs.trigger("load_al")
            runs.trigger(dag="clean", wait=True)

        @dag
        def flow(): collect()
    """

    found = problems_of(tmp_path, source)

    assert [(problem.line - FIRST, problem.message, problem.cure) for problem in found] == [
        (
            5,
            "task 'collect' starts runs of the DAG 'load_al', which it does not declare",
            "Did you mean 'load_all'? Otherwise add it: @task(triggers=['load_all', 'load_al']).",
        ),
        (
            6,
            "task 'collect' starts runs of the DAG 'clean', which it does not declare",
            "Add it: @task(triggers=['load_all', 'clean']).",
        ),
    ]


def test_a_result_of_another_dag_is_an_unknown_upstream(tmp_path: Path) -> None:
    source = """\
        kept = []

        @dag
        def one(): kept.append(read())

        @dag
        def two(): load(kept[0])
    """

    (problem,) = problems_of(tmp_path, source)

    assert problem.line == FIRST + 6
    assert problem.message == "'read' is not a task of the DAG 'two': it was made in 'one'"


@pytest.mark.parametrize(
    ("block", "line", "message"),
    [
        ('# dependencies = ["./packages/x"]\n# ///\n', 1, "can't be locked"),
        ('# dependencies = ["x @ file:///x"]\n# ///\n', 1, "can't be locked"),
        ('# dependencies = ["--index-url=x"]\n# ///\n', 1, "can't be locked"),
        ('# requires-python = "3.11"\n# ///\n', 1, "is no condition on a version of Python"),
        ("# [tool.leasehold]\n# wheel = true\n# ///\n", 1, "[tool.leasehold] has no wheel"),
        ('# [tool.leasehold]\n# wheels = "yes"\n# ///\n', 1, "wheels is neither true nor false"),
        ('# [tool.leasehold]\n# find-links = "x"\n# ///\n', 1, "find-links is not a list"),
        ("# dependencies = 3\n# ///\n", 1, "dependencies is not a list of texts"),
        ("# requires-python = 3\n# ///\n", 1, "requires-python is not text"),
        ("# dependencies = [\n# ///\n", 1, "is not TOML"),
        ("# dependencies = []\n", 1, "it is never closed"),
        ("# ///\n\n# /// script\n# ///\n", 4, "two `# /// script` blocks"),
    ],
)
def test_script_metadata_is_held_against_pep_723(tmp_path: Path, block: str, line: int, message: str) -> None:
    (problem,) = problems_of(tmp_path, in_body("read()"), "# /// script\n" + block + HEAD)

    assert problem.line == line
    assert message in problem.message


def test_a_dependency_that_is_not_installed_here_is_imported_where_it_runs(tmp_path: Path) -> None:
    block = '# /// script\n# dependencies = ["colours", "leasehold"]\n# ///\n'

    (problem,) = problems_of(tmp_path, in_body("read()"), block + "import colours\n" + HEAD)

    assert problem.line == 4
    assert "import colours inside the task" in problem.cure


@pytest.mark.parametrize(
    ("name", "message"),
    [("json.py", "has the name of a module"), ("my-flow.py", "can't be imported"), ("flow.txt", "can't be imported")],
)
def test_a_file_that_could_not_be_imported_where_it_runs_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (problem,) = problems_of(tmp_path, in_body("read()"), name=name)

    assert message in problem.message


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (problem,) = load_file(tmp_path / "absent.py").problems

    assert str(problem) == f"{tmp_path}/absent.py:0: can't be read: No such file or directory"


def test_imports_that_the_tasks_would_not_find_are_problems_unless_they_may_fail(tmp_path: Path) -> None:
    source = """\
        import hypothesis.strategies
        try:
            import pydantic
        except ImportError:
            pass

        @task
        def generate():
            from pytest import raises

        @dag
        def flow(): generate()

        @dag
        def again(): generate()
    """

    found = problems_of(tmp_path, source)

    assert [(problem.line - FIRST, problem.message.split(",")[0]) for problem in found] == [
        (0, "the file imports hypothesis"),
        (8, "the file imports pytest"),
    ]


def test_a_task_from_another_folder_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "far_away.py").write_text("from leasehold import task\n@task\ndef far(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    (tmp_path / "dags").mkdir()
    file = tmp_path / "dags" / "flow.py"
    file.write_text("try:\n    from far_away import far\nfinally: pass\n" + HEAD + in_body("far()"))

    (problem,) = load_file(file).problems

    assert "'far' is defined in far_away, which does not travel" in problem.message


def test_an_error_in_a_module_beside_the_file_points_there(tmp_path: Path) -> None:
    (tmp_path / "plant.py").write_text("x = 1\ny = x / 0\n")
    file = tmp_path / "flow.py"
    file.write_text("import plant\n" + HEAD + in_body("read()"))

    (problem,) = load_file(file).problems

    assert (problem.file, problem.line) == (str(tmp_path / "plant.py"), 2)


def test_loading_leaves_no_trace_and_sees_changes(tmp_path: Path) -> None:
    (tmp_path / "plant.py").write_text("LIMIT = 1\n")
    file = tmp_path / "flow.py"
    file.write_text("import plant\n" + HEAD + in_body("load(plant.LIMIT)"))
    before = (set(sys.modules), list(sys.path))

    first = load_file(file)
    (tmp_path / "plant.py").write_text("LIMIT = 22\n")
    second = load_file(file)

    values = [loaded.dags[0].manifest["tasks"][0]["work"]["args"][0]["value"] for loaded in (first, second)]
    assert values == [1, 22]
    assert {"flow", "plant"}.isdisjoint(sys.modules)
    assert (before[0] - set(sys.modules), sys.path) == (set(), before[1])
    assert not list(tmp_path.rglob("__pycache__"))


def test_wrong_options_and_calls_are_all_reported_each_at_its_own_word(tmp_path: Path) -> None:
    source = """\
        @task(
            retry=3,
            timeout="soon",
        )
        def store(rows): ...

        @dag
        def flow(limit: int = 3):
            store(row=read())
            shell("true", prioritty=1)
        """

    found = problems_of(tmp_path, source)

    lines = (tmp_path / "flow.py").read_text().splitlines()
    assert [lines[problem.line - 1][problem.column - 1 : problem.end_column - 1] for problem in found] == [
        "retry", "timeout", "row", "prioritty",
    ]  # fmt: skip
    assert [problem.cure.partition("?")[0] for problem in found] == [
        "Did you mean 'retries'", "", "Did you mean 'rows'", "Did you mean 'priority'",
    ]  # fmt: skip


def test_a_column_counts_characters_and_not_bytes(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, in_body("load('äöü' + read())"))

    assert (problem.column, problem.end_column) == (10, 24)


def test_a_syntax_error_has_its_column(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "x = (1,\ny = = 2\n", head="")

    assert problem.line in {1, 2}
    assert problem.column > 0


def test_where_nobody_gathers_a_wrong_option_is_raised() -> None:
    from leasehold import task
    from leasehold.authoring.mistakes import AuthoringError

    with pytest.raises(AuthoringError, match="no option 'retry'"):
        task(retry=3)(problems_of)  # type: ignore[call-overload]
