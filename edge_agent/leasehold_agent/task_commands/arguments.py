"""The arguments of ``edge-agent task``. No secret is ever one: those come from standard input."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from leasehold_agent.task_commands import asking, telling, waiting
from leasehold_agent.task_commands.assets import add_assets
from leasehold_agent.task_commands.runs import add_runs

_EXAMPLES = """\
examples, in a shell task (the agent puts its own path into LEASEHOLD_EDGE_AGENT):
  day=$("$LEASEHOLD_EDGE_AGENT" task context --field run.params.day)
  "$LEASEHOLD_EDGE_AGENT" task connection get plant_db --field password | psql-as-reader
  "$LEASEHOLD_EDGE_AGENT" task file put report.csv; "$LEASEHOLD_EDGE_AGENT" task file get make_report
  "$LEASEHOLD_EDGE_AGENT" task metric count rows 128 --tag plant=north
  since=$("$LEASEHOLD_EDGE_AGENT" task runs previous --state success --field logical_date)
  "$LEASEHOLD_EDGE_AGENT" task asset event plant_north/readings --extra '{"rows": 128}'
  "$LEASEHOLD_EDGE_AGENT" task defer --event plant/opens > opened.json || exit 0
  "$LEASEHOLD_EDGE_AGENT" task retry --after 10m 'the plant is asleep'; exit 1

what is printed is the value alone: text as it is, the rest as JSON; --json prints text as JSON, too.

exit codes: 0 ok, 1 a defect, 2 wrong arguments, 20 not declared by the task, 21 not granted to the site, 22 not found,
23 unavailable (the API or the host; later), 24 refused (never, as it is), 25 no task is running here,
26 what it waited for did not come in time, 27 the task waits: end the script
"""
_VALUE = "the value; - or nothing: standard input, without its last line end"


def parser() -> argparse.ArgumentParser:
    """Return the parser of everything behind ``edge-agent task``."""
    root = argparse.ArgumentParser(
        prog="edge-agent task",
        description="What a running task may ask and tell, for shell scripts.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    _add_asking(commands)
    _add_telling(commands)
    _add_waiting(commands)
    return root


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; ends the process with 2 where they are wrong.

    argparse gives up a last argument that may be left out as soon as an option stands before it
    (``xcom push rows --json 3``): what it leaves over is put where it belongs here.
    """
    root = parser()
    given, over = root.parse_known_args(arguments)
    over = [argument for argument in over if argument != "--"]
    last: str | None = getattr(given, "last", None)
    if last is not None and len(over) == 1 and getattr(given, last) is None and not over[0].startswith("--"):
        setattr(given, last, over.pop())
    if over:
        root.error(f"unrecognized arguments: {' '.join(over)}")
    return given


def _add_asking(commands: Any) -> None:
    context = _add(commands, "context", asking.context, "print who the task is and what it was given, as JSON")
    context.add_argument("--field", metavar="A.B", help="only this part: task, run.params.day, …")
    connections = _group(commands, "connection", "read a connection")
    connection = _add_read(connections, "get", asking.connection, "print a connection as JSON")
    connection.add_argument("name", metavar="NAME")
    connection.add_argument("--field", metavar="A.B", help="only this part: host, password, extra.sslmode, …")
    variables = _group(commands, "variable", "read, write or delete a variable")
    get = _add_read(variables, "get", asking.variable, "print a variable")
    get.add_argument("key", metavar="KEY")
    get.add_argument("--default", metavar="TEXT", help="print this when there is no such variable")
    keys = _add_read(variables, "list", asking.variables, "print the keys of declared variables, one a line")
    _add_last(keys, "prefix", metavar="PREFIX", text="how they begin (default: all)")
    put = _add(variables, "set", telling.set_variable, "set a variable")
    put.add_argument("key", metavar="KEY")
    _add_value(put)
    put.add_argument("--description", metavar="TEXT", help="what it is for (default: as it was)")
    _add(variables, "delete", telling.delete_variable, "delete a variable").add_argument("key", metavar="KEY")
    xcoms = _group(commands, "xcom", "leave a value for other tasks, or read one of theirs")
    pull = _add_read(xcoms, "pull", asking.xcom, "print what an upstream task returned, or pushed")
    pull.add_argument("task", metavar="TASK")
    _add_last(pull, "key", metavar="KEY", text="what was pushed (default: what it returned)")
    pull.add_argument("--map-index", type=int, default=-1, metavar="N", help="which of a mapped task's instances")
    _add_other_run(pull)
    pull.add_argument("--default", metavar="TEXT", help="print this when there is no such value")
    pull_all = _add_read(
        xcoms, "pull-all", asking.all_xcoms, "print what a mapped task's instances left, one JSON a line"
    )
    pull_all.add_argument("task", metavar="TASK")
    _add_last(pull_all, "key", metavar="KEY", text="what was pushed (default: what they returned)")
    pull_all.add_argument("--run", metavar="RUN", help="another run of this DAG; previous: the one before")
    count = _add_read(xcoms, "count", asking.count_xcoms, "print how many of a task's instances left a value")
    count.add_argument("task", metavar="TASK")
    _add_last(count, "key", metavar="KEY", text="what was pushed (default: what they returned)")
    count.add_argument("--run", metavar="RUN", help="another run of this DAG; previous: the one before")
    _add(xcoms, "delete", telling.delete_xcom, "take back what this task left").add_argument("key", metavar="KEY")
    push = _add(xcoms, "push", telling.push_xcom, "leave a value for other tasks")
    push.add_argument("key", metavar="KEY")
    _add_value(push)
    _add_files(commands)
    add_runs(_group(commands, "runs", "look at earlier runs and at this one's tasks, or start a run"), _add_read)
    add_assets(_group(commands, "asset", "look at inlets and outlets, and say what became of them"), _add, _add_read)
    token = _add_read(commands, "id-token", asking.id_token, "print a token that proves which task this is")
    token.add_argument("audience", metavar="AUDIENCE")


def _add_files(commands: Any) -> None:
    files = _group(commands, "file", "leave a file for other tasks, or get one of theirs")
    put = _add(files, "put", telling.put_file, "leave a file for other tasks, however large")
    put.add_argument("path", metavar="PATH")
    _add_last(put, "key", metavar="KEY", text="what others pull it by (default: it is the task's result)")
    put.add_argument("--media-type", metavar="TYPE", help="what it is, like text/csv (default: by its name)")
    get = _add_read(
        files, "get", asking.get_file, "write the file that an upstream task left to the disk; print its path"
    )
    get.add_argument("task", metavar="TASK")
    _add_last(get, "key", metavar="KEY", text="what was pushed (default: what it returned)")
    get.add_argument("--output", metavar="PATH", help="where to (default: here, under the name that it has)")
    get.add_argument("--map-index", type=int, default=-1, metavar="N", help="which of a mapped task's instances")
    _add_other_run(get)


def _add_other_run(added: argparse.ArgumentParser) -> None:
    added.add_argument("--run", metavar="RUN", help="another run of this DAG; previous: the one before")
    added.add_argument("--include-prior", action="store_true", help="the newest that this run or an earlier one has")


def _add_telling(commands: Any) -> None:
    _add_value(_add(commands, "result", telling.result, "set the task's result"))
    heartbeat = _add(commands, "heartbeat", telling.heartbeat, "say that the task is alive, and how far it is")
    heartbeat.add_argument("--progress", type=float, metavar="0…1")
    heartbeat.add_argument("--note", metavar="TEXT")
    label = _add(commands, "label", telling.label, "say what people shall call this task instance")
    label.add_argument("label", metavar="TEXT")
    metrics = _group(commands, "metric", "measure something")
    for kind, text, number in (
        ("count", "count something", "N"),
        ("gauge", "tell how much of something there is", "N"),
        ("timing", "tell how long something took", "SECONDS"),
    ):
        metric = _add(metrics, kind, telling.metric, text)
        metric.set_defaults(kind={"count": "counter"}.get(kind, kind))
        metric.add_argument("name", metavar="NAME")
        if kind == "count":
            _add_last(metric, "value", metavar=number, text="how many (default: 1)")
        else:
            metric.add_argument("value", metavar=number)
        metric.add_argument("--tag", action="append", default=[], metavar="NAME=TEXT", type=_pair)
    log = _add(commands, "log", telling.log, "write to the task's log")
    _add_last(log, "message", metavar="TEXT", text="the message; - or nothing: standard input")
    log.add_argument("--level", choices=["debug", "info", "warning", "error", "critical"], default="info")
    log.add_argument("--field", action="append", default=[], metavar="NAME=TEXT", type=_pair)
    _add(commands, "mask", telling.mask, "hide a text in the log from now on; it is read from standard input")
    for kind, name, text in (
        ("skipped", "skip", "the task has nothing to do: it is skipped once the script ends"),
        ("failed_for_good", "fail", "the task failed for good: no retries once the script ends"),
        ("retry", "retry", "try the task again once the script ends"),
    ):
        ending = _add(commands, name, telling.ending, text)
        ending.set_defaults(kind=kind, after=None)
        _add_last(ending, "message", metavar="TEXT", text="why")
        if kind == "retry":
            ending.add_argument("--after", metavar="10m", help="how long to wait (default: the task's retry_delay)")


def _add_waiting(commands: Any) -> None:
    state = _group(commands, "state", "keep values across the tries of this task")
    get = _add_read(state, "get", waiting.get_state, "print what was kept")
    get.add_argument("key", metavar="KEY")
    get.add_argument("--default", metavar="TEXT", help="print this when nothing is kept there")
    put = _add(state, "set", waiting.set_state, "keep a value")
    put.add_argument("key", metavar="KEY")
    put.add_argument("--expires-after", metavar="10m", help="how long to keep it at most")
    _add_value(put)
    _add(state, "delete", waiting.delete_state, "let go of a key").add_argument("key", metavar="KEY")
    _add(state, "clear", waiting.clear_state, "let go of everything")
    keys = _add_read(state, "keys", waiting.state_keys, "print the keys as JSON")
    _add_last(keys, "prefix", metavar="PREFIX", text="only those that begin so")
    skip = _add(commands, "skip-downstream", waiting.skip_downstream, "skip tasks after this one, if it succeeds")
    skip.add_argument("tasks", metavar="TASK", nargs="+")
    again = _add(commands, "reschedule", waiting.reschedule, "start the task again later, once the script ends")
    again.add_argument("--after", metavar="10m", help="how long to wait")
    again.add_argument("--at", metavar="TIME", help="when, like 2026-11-22T06:00:00Z")
    _add_last(again, "message", metavar="TEXT", text="why")
    defer = _add_wait(commands, "defer", waiting.defer, "wait for one thing without a slot; exit 27: end the script")
    defer.add_argument("--event", metavar="NAME", help="an event; its value is printed")
    defer.add_argument("--run", metavar="RUN", help="the end of another run")
    defer.add_argument("--after", metavar="10m", help="a while")
    defer.add_argument("--until", metavar="TIME", help="a time, like 2026-11-22T06:00:00Z")
    ask = _add_wait(commands, "ask", waiting.ask_people, "ask people without a slot; exit 27: end the script")
    ask.add_argument("question", metavar="QUESTION")
    ask.add_argument("--option", action="append", default=[], metavar="TEXT", help="what can be chosen (default: ok)")
    ask.add_argument("--multiple", action="store_true", help="any number of the options")
    ask.add_argument("--default", action="append", default=[], metavar="TEXT", help="what counts when the time is up")
    ask.add_argument("--assigned-to", action="append", default=[], metavar="USER", help="who may answer")
    ask.add_argument("--body", metavar="MARKDOWN", help="more than one line")


def _add_wait(commands: Any, name: str, act: object, text: str) -> argparse.ArgumentParser:
    added = _add(commands, name, act, text)
    added.add_argument("--json", action="store_true", help="print text as JSON, too")
    added.add_argument("--timeout", metavar="2d", help="how long to wait; then the exit code is 26")
    added.add_argument("--key", metavar="KEY", help="names this wait (default: what it waits for)")
    return added


def _group(commands: Any, name: str, text: str) -> Any:
    group = commands.add_parser(name, help=text, description=_sentence(text), allow_abbrev=False)
    return group.add_subparsers(required=True, metavar="ACTION")


def _add(commands: Any, name: str, act: object, text: str) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=_sentence(text), allow_abbrev=False
    )
    added.set_defaults(act=act)
    return added


def _add_read(commands: Any, name: str, act: object, text: str) -> argparse.ArgumentParser:
    added = _add(commands, name, act, text)
    added.add_argument("--json", action="store_true", help="print text as JSON, too")
    added.add_argument("--wait", metavar="10m", help="how long to wait while the API is out of reach (default: 2m)")
    return added


def _add_value(added: argparse.ArgumentParser) -> None:
    _add_last(added, "value", metavar="VALUE", text=_VALUE)
    added.add_argument("--json", action="store_true", help="the value is JSON, not text")


def _add_last(added: argparse.ArgumentParser, name: str, *, metavar: str, text: str) -> None:
    """Add a last argument that may be left out."""
    added.add_argument(name, metavar=metavar, nargs="?", help=text)
    added.set_defaults(last=name)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("is written NAME=TEXT")
    return name, value


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
