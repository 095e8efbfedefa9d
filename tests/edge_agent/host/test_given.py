"""What came with the lease: masked before it can be read, and never given again once the task wrote it."""

from __future__ import annotations

import pytest

from leasehold_agent.host.given import Given

PATH = "/v1/variables/limit"
ANSWER = {"status": 200, "body": {"key": "limit", "value": "correct-horse"}, "secrets": ["correct-horse"]}


def test_a_read_is_answered_and_its_secrets_are_masked_first() -> None:
    masked: list[object] = []
    given = Given(masked.extend)

    given.take({PATH: ANSWER})

    assert masked == ["correct-horse"]
    assert given.answer("GET", PATH) == ANSWER
    assert given.answer("GET", "/v1/variables/other") is None


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_the_task_writes_is_asked_for_from_then_on_whoever_brings_it_again(method: str) -> None:
    given = Given(lambda _: None)
    given.take({PATH: ANSWER})

    assert given.answer(method, PATH) is None
    given.take({PATH: ANSWER})

    assert given.answer("GET", PATH) is None


def test_an_answer_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="an answer is an object"):
        Given(lambda _: None).take({PATH: "correct-horse"})
