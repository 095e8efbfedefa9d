"""``leasehold-api keys``: the key-encryption keys (KEKs) that all stored secrets are sealed with.

A rotation is three steps: ``rotate`` (new secrets use the new key), ``rewrap`` (the old ones follow), ``remove``.
The service may run all the while, in any number of processes that see the same key files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from leasehold_api import clock
from leasehold_api.config import Settings, SettingsError
from leasehold_api.context.key_files import KeyFiles
from leasehold_api.context.rewrapping import SealedKind, rewrap, usage
from leasehold_api.storage.database import make_engine
from leasehold_api.storage.sql_sealed import SqlSealedRows
from leasehold_api.terminal import (
    EXIT_DATABASE,
    EXIT_FAILED,
    EXIT_SETTINGS,
    EXIT_USAGE,
    DatabaseUrl,
    StateDir,
    console,
    database_trouble,
    fail,
    settings_from,
)

app = typer.Typer(help="The keys that stored secrets are sealed with.", no_args_is_help=True)

SETTLING_S = 60.0
"""How long after a rotation the key before it stays: a write that began with it may still be under way."""

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_keys(*, state_dir: StateDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List the keys, and how much each of them still seals.

    Example: leasehold-api keys list
    """
    with _opened(settings_from(state_dir=state_dir, database_url=database_url)) as (files, rows):
        found = _described(files, rows)
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    kinds = (kind.value.replace("_", " ") for kind in SealedKind)
    table = Table("key", "state", "made", *kinds, "file", box=box.SIMPLE_HEAD)
    for key in found:
        used = [str(key["seals"][kind.value]) for kind in SealedKind]
        table.add_row(key["id"], key["state"], key["made_at"] or "", *used, Path(key["file"]).name)
    Console().print(table)


@app.command()
def rotate(*, state_dir: StateDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Make a new key, which seals from now on; the old ones go on opening what they sealed.

    With several servers, they must see the same key files, or get the new file before this one seals with it.

    Example: leasehold-api keys rotate && leasehold-api keys rewrap
    """
    with _opened(settings_from(state_dir=state_dir, database_url=database_url)) as (files, rows):
        files.sealer()  # a new key beside one that can't be read would hide the trouble
        kek_id = files.add()
        rows.record("kek.made", kek_id)
    if as_json:
        sys.stdout.write(json.dumps({"id": kek_id, "file": str(files.path(kek_id))}) + "\n")
    console.print(f"Key {kek_id} is active: {files.path(kek_id)}. Back it up; then: leasehold-api keys rewrap")


@app.command("rewrap")
def rewrap_all(*, state_dir: StateDir = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Wrap the data key of every stored secret with the active key. The secrets' ciphertexts stay as they are.

    It may be stopped and run again at any time; what is done is done.

    Example: leasehold-api keys rewrap
    """
    with (
        _opened(settings_from(state_dir=state_dir, database_url=database_url)) as (files, rows),
        _progress() as progress,
    ):
        ids, sealer = files.sealer()
        bar = progress.add_task("rewrapping", total=rows.count())
        done = rewrap(rows, sealer, kek_id=ids[-1], step=lambda count: progress.advance(bar, count))
    if as_json:
        told = {"active": ids[-1], "seen": done.seen, "rewrapped": done.rewrapped, "damaged": done.damaged}
        sys.stdout.write(json.dumps(told) + "\n")
    console.print(f"{done.rewrapped} of {done.seen} were rewrapped with key {ids[-1]}; the others had it already.")
    if done.damaged:
        listed = "\n".join(f"  {reason}" for reason in done.damaged)
        fail(f"{len(done.damaged)} could not be opened, and stay as they are:\n{listed}", EXIT_FAILED)


@app.command()
def remove(
    key: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    *,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Delete an old key that seals nothing any more. A backup of the database from before the rewrap still needs it.

    Example: leasehold-api keys remove 1
    """
    with _opened(settings_from(state_dir=state_dir, database_url=database_url)) as (files, rows):
        ids = files.ids()
        if key not in ids:
            fail(f"there is no key {key}; there are: {', '.join(ids)}", EXIT_USAGE)
        if key == ids[-1]:
            fail(f"key {key} is the active one: leasehold-api keys rotate makes another", EXIT_FAILED)
        superseded_at = files.made_at(ids[ids.index(key) + 1])
        if clock.now() < superseded_at + SETTLING_S:
            fail(
                f"key {key} was active less than {SETTLING_S:g} s ago, and may still be in use: try again", EXIT_FAILED
            )
        if used := usage(rows).get(key):
            fail(f"key {key} still seals {used.total()} secrets: leasehold-api keys rewrap", EXIT_FAILED)
        rows.record("kek.removed", key)
        files.remove(key)
    console.print(f"Key {key} is deleted.")


def _described(files: KeyFiles, rows: SqlSealedRows) -> list[dict[str, Any]]:
    ids, used = files.ids(), usage(rows)
    # Keys that something needs and nobody has come first: whoever looks shall see them.
    missing = sorted(used.keys() - set(ids))
    return [
        {
            "id": kek_id,
            "state": "missing" if kek_id in missing else "active" if kek_id == ids[-1] else "old",
            "made_at": None
            if kek_id in missing
            else clock.instant(files.made_at(kek_id)).isoformat(timespec="seconds"),
            "seals": {kind.value: used[kek_id][kind] if kek_id in used else 0 for kind in SealedKind},
            "file": str(files.path(kek_id)) if kek_id in ids else "",
        }
        for kek_id in [*missing, *ids]
    ]


@contextmanager
def _opened(settings: Settings) -> Generator[tuple[KeyFiles, SqlSealedRows]]:
    from sqlalchemy.exc import SQLAlchemyError

    # Nothing is made here: a mistyped state directory shall not look like a service without secrets.
    if settings.database_url is None and not settings.state_dir.is_dir():
        fail(f"there is no state directory {settings.state_dir}: check --state-dir", EXIT_SETTINGS)
    try:
        engine = make_engine(settings.database())
        try:
            rows = SqlSealedRows(engine)
            if not rows.is_there():
                fail("the database is empty: leasehold-api serve, or migrate, makes its tables", EXIT_DATABASE)
            yield KeyFiles.of(settings), rows
        finally:
            engine.dispose()
    except SettingsError as error:
        fail(str(error), EXIT_SETTINGS)
    except SQLAlchemyError as error:
        fail(database_trouble(error), EXIT_DATABASE)
    except ValueError as error:
        fail(str(error), EXIT_DATABASE)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
