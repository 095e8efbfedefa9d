"""``leasehold-api audit``: walking along the chain in the database or in an export, and saying what was found."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from leasehold_api.audit import export
from leasehold_api.audit.chain import Verdict, walk
from leasehold_api.storage.database import make_engine
from leasehold_api.storage.sql_trail import chain_of


class AuditUnreadableError(Exception):
    """The audit trail can't be read where it should be."""


def verify_file(path: Path, *, is_part: bool, noted: str | None) -> Verdict:
    """Walk along an export.

    Raises:
        ExportError: if the file can't be read or is no export.
    """
    try:
        with path.open("rb") as file:
            return walk(export.read(file), is_part=is_part, noted=noted)
    except OSError as error:
        raise export.ExportError(f"can't read {path}: {error.strerror}") from error


def verify_database(url: str, *, noted: str | None) -> Verdict:
    """Walk along the chain in a database. Nothing is written, and the service may run meanwhile.

    Raises:
        AuditUnreadableError: if there is no such database, or it has no chain yet.
    """
    try:
        engine = make_engine(url)
    except ValueError as error:
        raise AuditUnreadableError(str(error)) from error
    file = engine.url.database
    if engine.dialect.name == "sqlite" and not (file and Path(file).exists()):
        raise AuditUnreadableError(f"there is no database at {file}: name the service's --state-dir or --database-url")
    try:
        return walk(chain_of(engine), noted=noted)
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise AuditUnreadableError(
            f"the audit trail can't be read: {cause}. If the schema is older than this program: leasehold-api migrate"
        ) from error
    finally:
        engine.dispose()


def report(verdict: Verdict, *, as_json: bool) -> str:
    """Return what was found, for a person or a program."""
    broken = verdict.broken
    if as_json:
        found = {
            "holds": broken is None,
            "rows": verdict.rows,
            "head": {"seq": verdict.head_seq, "hash": verdict.head_hash},
            "broken": None if broken is None else {"seq": broken.seq, "kind": broken.kind.value, "why": broken.why},
        }
        return json.dumps(found) + "\n"
    head = f"head {verdict.head_seq}: {verdict.head_hash}\n"
    if broken is None:
        return f"The chain holds: {verdict.rows} rows.\n{head}"
    return f"The chain is broken at row {broken.seq} ({broken.kind}): {broken.why}.\nIt holds until {head}"
