"""Answers to agents leave out what says nothing, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leasehold_api.http.answers import brief_json
from leasehold_protocol.v1.leases import Lease, LeaseAnswer, OutcomeAnswer, RenewalAnswer
from leasehold_protocol.v1.message import Message
from leasehold_protocol.v1.stream import StreamLine

GOLDEN = Path(__file__).parents[1] / "protocol/golden/v1"


def golden(kind: type[Message]) -> Message:
    return kind.model_validate_json((GOLDEN / f"{kind.__name__}.json").read_bytes())


@pytest.mark.parametrize("kind", [LeaseAnswer, OutcomeAnswer, RenewalAnswer, StreamLine])
def test_a_reader_finds_what_was_meant(kind: type[Message]) -> None:
    message = golden(kind)

    assert kind.model_validate_json(brief_json(message)) == message


def test_nulls_that_are_values_stay() -> None:
    lease = golden(Lease).model_copy(deep=True)
    entry = json.loads(lease.model_dump_json())
    entry["task"]["work"] = {
        "kind": "python", "module": "m", "function": "f", "args": [{"kind": "literal", "value": None}],
        "kwargs": {"rows": {"kind": "literal", "value": {"deep": None}}},
    }  # fmt: skip
    entry["run"]["params"] = {"day": None}
    message = LeaseAnswer(leases=[Lease.model_validate(entry)])

    assert LeaseAnswer.model_validate_json(brief_json(message)) == message


def test_what_says_nothing_is_left_out() -> None:
    message = LeaseAnswer(leases=[Lease.model_validate({**json.loads(golden(Lease).model_dump_json()), "given": None})])

    written = json.loads(brief_json(message))

    assert "given" not in written["leases"][0]
    assert "waited_s" not in written
