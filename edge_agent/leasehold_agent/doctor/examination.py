"""The whole examination, in the order in which a person would look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import chain

from leasehold_agent.config import Settings, check_url
from leasehold_agent.doctor.machine import check_containers, check_disk, check_limits, check_runtimes
from leasehold_agent.doctor.network import check_network
from leasehold_agent.doctor.packages import check_packages
from leasehold_agent.doctor.who import check_identity
from leasehold_agent.exits import OperatorError
from leasehold_agent.identity.record import Record, read_record
from leasehold_protocol.findings import Finding, Verdict, problem, warning


async def examine(settings: Settings, url: str | None, *, version: str) -> AsyncIterator[Finding]:
    """Yield every finding. ``url``: the API's address, when it is not the one this agent is enrolled at."""
    record: Record | None = None
    try:
        record = read_record(settings.state_dir)
    except OperatorError as error:
        yield problem("identity", error.cause.rstrip("."), error.cure)
    address, api_answers = url or (record.api_url if record else None), False
    if address is None:
        yield warning("api", "there is no address to look at", "Name the API's: edge-agent doctor URL")
    else:
        try:
            address = check_url(address, allow_http=settings.allow_http)
        except OperatorError as error:
            yield problem("api", error.cause.rstrip("."), error.cure)
        else:
            async for finding in check_network(address, settings, version=version):
                api_answers = api_answers or (finding.check == "api" and finding.verdict is Verdict.OK)
                yield finding
    async for finding in check_identity(settings, record, version=version, api_answers=api_answers):
        yield finding
    for finding in check_disk(settings):
        yield finding
    async for finding in check_runtimes(settings):
        yield finding
    for finding in chain(check_containers(settings), check_packages(settings), check_limits(settings)):
        yield finding
