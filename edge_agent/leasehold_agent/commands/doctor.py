"""``edge-agent doctor``: looks for what is wrong here. Each finding names its cure; nothing is changed."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from dataclasses import asdict

from leasehold_agent.commands.settings import settings_from
from leasehold_agent.doctor.examination import examine
from leasehold_agent.doctor.findings import Finding, Verdict, fine, problem
from leasehold_agent.exits import OperatorError
from leasehold_agent.version import agent_version


def run(arguments: Namespace) -> int:
    """Print the findings. The exit code is 1 when one of them is a problem."""
    findings = asyncio.run(_examine(arguments))
    if arguments.json:
        document = [{name: value for name, value in asdict(one).items() if value is not None} for one in findings]
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    problems = sum(one.verdict is Verdict.PROBLEM for one in findings)
    if not arguments.json:
        warnings = sum(one.verdict is Verdict.WARNING for one in findings)
        sys.stdout.write(f"\n{_count(problems, 'problem')}, {_count(warnings, 'warning')}.\n")
    return int(problems > 0)


async def _examine(arguments: Namespace) -> list[Finding]:
    findings: list[Finding] = []

    def take(finding: Finding) -> None:
        findings.append(finding)
        if not arguments.json:
            sys.stdout.write(_lines(finding))
            sys.stdout.flush()

    try:
        settings = settings_from(arguments).settings
    except OperatorError as error:
        take(problem("settings", error.cause.rstrip("."), error.cure))
        return findings
    take(fine("settings", f"all can be used; state directory {settings.state_dir}"))
    async for finding in examine(settings, arguments.url, version=agent_version()):
        take(finding)
    return findings


def _lines(finding: Finding) -> str:
    took = "" if finding.took_ms is None else f" ({finding.took_ms:.0f} ms)"
    text = f"{finding.verdict:<8} {finding.check:<12} {finding.text}{took}\n"
    return text + (f"{'':<22}{finding.cure}\n" if finding.cure else "")


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
