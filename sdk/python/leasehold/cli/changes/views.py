"""Changes on the screen, and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.text import Text

from leasehold.cli import screen
from leasehold.cli.changes.asking import DagChanges
from leasehold.cli.changes.code import FileChange
from leasehold.cli.changes.comparing import Change, FieldChange, What
from leasehold.cli.log_lines import harmless
from leasehold_protocol.v1.message import Json

_MARKS = {What.ADDED: ("+", "green"), What.REMOVED: ("-", "red"), What.CHANGED: ("~", "yellow")}
LONGEST_VALUE = 60


def show_changes(changes: DagChanges) -> None:
    """Print what would change, line by line."""
    screen.say(Text.assemble((changes.ready.manifest.dag, "bold"), f": {_headline(changes)}"))
    for line in _lines(changes):
        screen.say(line)


def as_data(changes: DagChanges) -> dict[str, Json]:
    """Return the same for programs."""
    return {
        "dag": changes.ready.manifest.dag,
        "deployed_version": changes.version,
        "makes_version": changes.makes_version,
        "fields": [asdict(field) for field in changes.manifest.dag],
        "params": [asdict(change) for change in changes.manifest.params],
        "tasks": [asdict(change) for change in changes.manifest.tasks],
        "files": None if changes.files is None else [asdict(change) for change in changes.files],
    }


def _headline(changes: DagChanges) -> str:
    if changes.version is None:
        return "is not deployed yet; this would be version 1."
    if not changes.makes_version:
        return f"nothing would change: version {changes.version} is just this."
    return f"version {changes.version} is deployed; this would be version {changes.version + 1}."


def _lines(changes: DagChanges) -> Iterator[Text]:
    found = changes.manifest
    for field in found.dag:
        yield _field(field, indent="  ")
    yield from _named("param", found.params)
    yield from _named("task", found.tasks)
    if changes.files is None:
        yield Text("  ~ the code is different (what is deployed can be read by authors only)", "yellow")
    for file in changes.files or ():
        yield _file(file)
    if changes.makes_version and changes.files == () and not (found.dag or found.params or found.tasks):
        yield Text("  only the places of tasks in their files are different", "dim")


def _named(kind: str, changes: Sequence[Change]) -> Iterator[Text]:
    for change in changes:
        yield _marked(change.what, f"{kind} {change.name}")
        for field in change.fields:
            yield _field(field, indent="      ")


def _file(change: FileChange) -> Text:
    line = _marked(change.what, f"file {change.file}")
    if change.added is None or change.removed is None:
        return line.append("  (no text)", "dim")
    return line.append(f"  +{change.added}", "green").append(f" -{change.removed}", "red")


def _marked(what: What, text: str) -> Text:
    mark, style = _MARKS[what]
    return Text(f"  {mark} {harmless(text)}", style)


def _field(field: FieldChange, *, indent: str) -> Text:
    return Text.assemble(
        f"{indent}{harmless(field.field)}: ", (_value(field.before), "red"), " → ", (_value(field.after), "green")
    )


def _value(value: Json) -> str:
    return "(none)" if value is None or value == "" else screen.show_value(value, longest=LONGEST_VALUE)
