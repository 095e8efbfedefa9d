"""Reading an NDJSON export of the audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from leasehold_protocol.v1.audit import AuditRow


class ExportError(Exception):
    """The file is no export of the audit trail."""


def read(lines: Iterable[bytes]) -> Iterator[AuditRow]:
    """Return the rows of an export.

    Raises:
        ExportError: at the first line that is no row.
    """
    for number, line in enumerate(lines, start=1):
        try:
            row = AuditRow.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ExportError(
                f"line {number} is no row of an audit trail ({where + ': ' if where else ''}{first['msg']}); "
                "export it again: leasehold audit export"
            ) from error
        yield row
