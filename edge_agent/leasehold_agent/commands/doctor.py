"""``edge-agent doctor``: looks for what is wrong here. Each finding names its cure; nothing is changed."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace

from leasehold_agent.commands.settings import settings_from
from leasehold_agent.doctor.examination import examine
from leasehold_agent.exits import OperatorError
from leasehold_agent.version import agent_version
from leasehold_protocol.findings import Finding, Verdict, count_of, document, fine, in_lines, problem, summary


def run(arguments: Namespace) -> int:
    """Print the findings. The exit code is 1 when one of them is a problem."""
    findings = asyncio.run(_examine(arguments))
    sys.stdout.write(document(findings) if arguments.json else f"\n{summary(findings)}\n")
    return int(count_of(Verdict.PROBLEM, findings) > 0)


async def _examine(arguments: Namespace) -> list[Finding]:
    findings: list[Finding] = []

    def take(finding: Finding) -> None:
        findings.append(finding)
        if not arguments.json:
            sys.stdout.write(in_lines(finding))
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
