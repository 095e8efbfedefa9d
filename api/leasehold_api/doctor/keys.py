"""Keys: the key-encryption keys in their files, and the signing keys that they open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from leasehold_api.config import Settings, SettingsError
from leasehold_api.context.key_files import KeyFiles
from leasehold_api.context.rewrapping import usage
from leasehold_api.context.sealing import Sealer, SealError
from leasehold_api.oauth.tokens.keys import ACTIVE_FOR_S, PUBLISHED_BEFORE_ACTIVE_S, KeyState, StoredKey, identity
from leasehold_api.storage.database import Database, make_engine
from leasehold_api.storage.sql_keys import SqlSigningKeys
from leasehold_api.storage.sql_sealed import SqlSealedRows
from leasehold_protocol.findings import Finding, fine, problem, warning

_DAY = 86400.0
_FEW_BYTES = 12
"""32 random bytes have hardly ever fewer different ones than this."""
_APART = "A backup of the database is worth nothing without it: keep a copy elsewhere, apart from the backups."


@dataclass(slots=True, kw_only=True)
class KeyFilesReport:
    """What was found, and the sealer where the keys can be used."""

    findings: list[Finding] = field(default_factory=list[Finding])
    ids: list[str] = field(default_factory=list[str])
    sealer: Sealer | None = None


def check_key_files(settings: Settings) -> KeyFilesReport:
    """Look at the key-encryption keys. None is made."""
    report = KeyFilesReport()
    files = KeyFiles.named(settings)
    try:
        report.ids, report.sealer = files.sealer()
    except SettingsError as error:
        cure = (
            "Bring the file back from where its copy is kept. Without it nothing that is stored sealed can be opened."
        )
        report.findings.append(problem("key files", str(error), cure))
        return report
    paths = [files.path(kek_id) for kek_id in report.ids]
    if open_ones := [str(path) for path in paths if path.stat().st_mode & 0o077]:
        cure = f"Run: chmod 600 {' '.join(open_ones)}. If others could read it: leasehold-api keys rotate, then rewrap"
        report.findings.append(problem("key files", f"other users may read {', '.join(open_ones)}", cure))
    elif silly := [kek_id for kek_id in report.ids if files.variety(kek_id) < _FEW_BYTES]:
        cure = "Whoever guesses it opens every secret: leasehold-api keys rotate, then rewrap, then remove it."
        report.findings.append(problem("key files", f"key {', '.join(silly)} is not random", cure))
    else:
        shown = f"key {report.ids[-1]} is active, in {paths[-1]}; {len(paths)} in all. {_APART}"
        report.findings.append(fine("key files", shown))
    return report


def check_signing_keys(url: str, ids: list[str], sealer: Sealer) -> Iterator[Finding]:
    """Look whether every key that something is sealed with is here, and at the keys that sign tokens."""
    engine = make_engine(url)
    try:
        missing = {kek_id: used.total() for kek_id, used in usage(SqlSealedRows(engine)).items() if kek_id not in ids}
        stored = asyncio.run(_stored(url))
    finally:
        engine.dispose()
    if missing:
        listed = ", ".join(f"key {kek_id} ({many} values)" for kek_id, many in sorted(missing.items()))
        cure = "Bring its file back from where the copy is kept: leasehold-api keys list has the names."
        yield problem("sealed", f"stored values need keys that are not here: {listed}", cure)
    else:
        yield fine("sealed", "the keys of everything that is stored sealed are here")
    active = next((key for key in stored if key.state is KeyState.ACTIVE), None)
    if active is None:
        yield warning("signing", "there is no signing key yet", "leasehold-api serve makes one when it starts.")
        return
    try:
        sealer.open(active.sealed_private_jwk, identity=identity(active.kid))
    except SealError as error:
        cure = "Bring the key-encryption key back that sealed it; agents get no tokens without it."
        yield problem("signing", f"the active signing key can't be opened: {error}", cure)
        return
    yield _age(active, now=time.time())


def _age(active: StoredKey, *, now: float) -> Finding:
    left = active.created_at + ACTIVE_FOR_S - now
    if left < -(_DAY + PUBLISHED_BEFORE_ACTIVE_S):
        text = f"the active signing key should have been replaced {-left / _DAY:.0f} days ago"
        return warning("signing", text, "A running service replaces it by itself, within the hour: start it.")
    return fine("signing", f"key {active.kid} signs; it is replaced by itself in {max(left, 0.0) / _DAY:.0f} days")


async def _stored(url: str) -> list[StoredKey]:
    database = Database(make_engine(url), publish=lambda _signals: None)
    try:
        return await SqlSigningKeys(database).all()
    finally:
        database.close()
