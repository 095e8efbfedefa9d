"""Fingerprints of keys, as people compare them."""

from __future__ import annotations

import re

import pytest

from leasehold_protocol.fingerprint import fingerprint, is_thumbprint

THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_a_fingerprint_is_grouped_so_that_a_person_can_compare_it() -> None:
    shown = fingerprint(THUMBPRINT)

    assert re.fullmatch(r"SHA256:[A-Z2-7]{4}(-[A-Z2-7]{4}){7}", shown)


def test_it_never_changes_because_two_programs_of_different_age_show_it() -> None:
    assert fingerprint(THUMBPRINT) == "SHA256:2GLQ-4CHE-LE2Y-ZPQN-NJVK-W7JD-M4RE-MHJT"


def test_another_key_has_another_one() -> None:
    assert fingerprint("1" + THUMBPRINT[1:]) != fingerprint(THUMBPRINT)


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "=", "A" * 42 + "\n", "ä" * 43])
def test_what_is_no_thumbprint_has_none(text: str) -> None:
    assert not is_thumbprint(text)
    with pytest.raises(ValueError, match="43 characters"):
        fingerprint(text)
