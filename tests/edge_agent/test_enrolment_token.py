"""Enrolment tokens: recognised, or refused with the reason, before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.enrolment_token import VARIABLE, find, parse

GOOD = "enr_0123456789ab." + "Ab-_" * 10 + "xyz"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("lht_" + GOOD[4:], "API token"),
        ("xyz" + GOOD, "does not begin with enr_"),
        (GOOD[:-1], "59 characters"),
        (GOOD + "a", "61 characters"),
        (GOOD.replace("xyz", "x z"), "white space"),
        (GOOD.replace("xyz", "x!z"), "character that no token has"),
        (GOOD.replace("0123456789ab", "0123456789AB"), "character that no token has"),
    ],
)
def test_a_mistyped_token_is_refused_with_what_is_wrong_and_never_repeated(text: str, reason: str) -> None:
    with pytest.raises(OperatorError) as refused:
        parse(text)

    assert refused.value.exit_code is Exit.TOKEN_REFUSED
    assert reason in refused.value.cause
    assert not text or text not in refused.value.cause + refused.value.cure


@given(st.from_regex(r"\s{0,3}enr_[0-9a-f]{12}\.[A-Za-z0-9_-]{43}\s{0,3}", fullmatch=True))
def test_every_token_of_the_right_form_is_taken_and_hidden_when_printed(text: str) -> None:
    token = parse(text)

    assert token.text.reveal() == text.strip()
    assert token.text.reveal()[17:] not in f"{token!r} {token.text!r} {token.text}"
    assert token.public_id == text.strip()[:16]


def test_a_token_comes_from_a_file_a_descriptor_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(GOOD + "\n")

    assert find(None, str(file), {}).text.reveal() == GOOD
    assert find(f"file://{file}", None, {}).text.reveal() == GOOD
    assert find(None, f"fd://{os.open(file, os.O_RDONLY)}", {}).text.reveal() == GOOD
    assert find(None, None, {VARIABLE: GOOD}).text.reveal() == GOOD


def test_a_flag_wins_over_the_environment() -> None:
    other = GOOD.replace("xyz", "zyx")

    assert find(GOOD, None, {VARIABLE: other}).text.reveal() == GOOD


def test_no_token_and_an_unreadable_one_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as none:
        find(None, None, {})
    with pytest.raises(OperatorError) as missing:
        find(None, str(tmp_path / "nothing"), {})

    assert none.value.exit_code is missing.value.exit_code is Exit.USAGE
    assert "leasehold tokens issue" in none.value.cure
    assert "No such file" in missing.value.cause
