"""The whole examination, in the order in which a person would look."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from leasehold_api.config import Settings
from leasehold_api.doctor.address import check_address
from leasehold_api.doctor.certificates import check_own_certificate
from leasehold_api.doctor.database import check_database
from leasehold_api.doctor.disk import check_disk
from leasehold_api.doctor.keys import check_key_files, check_signing_keys
from leasehold_api.doctor.machine import check_clock, check_limits
from leasehold_protocol.findings import Finding, problem


def examine(settings: Settings, *, is_patient: bool) -> Iterator[Finding]:
    """Yield every finding. ``is_patient``: wait at the public address as long as agents do."""
    if not settings.state_dir.is_dir():
        cure = "Name it with --state-dir, as `serve` has it; before the first start there is nothing to look at."
        yield problem("state", f"there is no state directory {settings.state_dir}", cure)
        return
    yield from check_disk(settings.state_dir)
    database = check_database(settings)
    yield from database.findings
    key_files = check_key_files(settings)
    yield from key_files.findings
    if database.is_current and key_files.sealer is not None:
        yield from check_signing_keys(settings.database(), key_files.ids, key_files.sealer)
    yield from chain(check_clock(settings, database), check_limits(), check_own_certificate(settings))
    yield from check_address(settings, key_files.sealer, is_patient=is_patient)
