"""``leasehold-api doctor``: the command. It changes nothing, and may run beside the service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from leasehold_api.config import Settings, SettingsError, load
from leasehold_api.terminal import EXIT_FAILED, DatabaseUrl, StateDir
from leasehold_protocol.findings import Finding, Verdict, count_of, document, fine, in_lines, problem, summary


def doctor(
    *,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    public_url: Annotated[str | None, typer.Option(help="The address that agents and people use.")] = None,
    patient: Annotated[
        bool, typer.Option("--patient", help="Wait as long as an agent's request does: finds proxies that cut those.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look for what is wrong: database, disk, keys, clock, and the way from the public address to this service.

    Each finding names its cure. Exit code 0: no problem was found; 1: there is one. Warnings do not count.

    Example: leasehold-api doctor --state-dir /var/lib/leasehold-api --patient
    """
    # Only here: it knows most of the service, which would make every other command wait.
    from leasehold_api.doctor.examination import examine

    findings: list[Finding] = []

    def take(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            sys.stdout.write(in_lines(finding))
            sys.stdout.flush()

    flags = {"state_dir": state_dir, "database_url": database_url, "public_url": public_url}
    if (settings := _settings(flags, take)) is not None:
        for finding in examine(settings, is_patient=patient):
            take(finding)
    sys.stdout.write(document(findings) if as_json else f"\n{summary(findings)}\n")
    if count_of(Verdict.PROBLEM, findings):
        raise typer.Exit(EXIT_FAILED)


def _settings(flags: Mapping[str, object], take: Callable[[Finding], None]) -> Settings | None:
    try:
        settings = load(dict(flags))
    except SettingsError as error:
        take(problem("settings", str(error), "Correct them in the file, the environment or the flags, as named there."))
        return None
    take(fine("settings", f"all can be used; state directory {settings.state_dir}"))
    return settings
