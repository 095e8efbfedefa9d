"""Sealing: a secret opens for its own row and with its own key, and for nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_api.context.sealing import Sealer, SealError

OLD, NEW = b"o" * 32, b"n" * 32
SEALER = Sealer({"2025": OLD}, active="2025")


@given(st.binary(max_size=500), st.text(max_size=50))
def test_what_is_sealed_opens_again(plaintext: bytes, identity: str) -> None:
    assert SEALER.open(SEALER.seal(plaintext, identity=identity), identity=identity) == plaintext


def test_the_same_secret_is_never_sealed_the_same_way() -> None:
    assert SEALER.seal(b"secret", identity="a") != SEALER.seal(b"secret", identity="a")


def test_a_secret_moved_to_another_row_does_not_open() -> None:
    sealed = SEALER.seal(b"secret", identity="connection:team_1:plant_db")

    with pytest.raises(SealError, match="moved here from another row"):
        SEALER.open(sealed, identity="connection:team_2:plant_db")


@given(st.data())
def test_a_secret_with_any_bit_changed_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(SEALER.seal(b"secret", identity="a"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(SealError):
        SEALER.open(bytes(sealed), identity="a")


@given(st.binary(max_size=120))
def test_what_was_never_sealed_does_not_open(data: bytes) -> None:
    with pytest.raises(SealError):
        SEALER.open(data, identity="a")


@given(st.integers(0, 120))
def test_a_secret_cut_short_does_not_open(length: int) -> None:
    sealed = SEALER.seal(b"secret", identity="a")

    if length < len(sealed):
        with pytest.raises(SealError):
            SEALER.open(sealed[:length], identity="a")


def test_a_rotation_rewraps_the_data_key_and_nothing_else() -> None:
    sealed = SEALER.seal(b"secret", identity="a")
    both = Sealer({"2025": OLD, "2026": NEW}, active="2026")

    rewrapped = both.rewrapped(sealed, identity="a")

    assert Sealer({"2026": NEW}, active="2026").open(rewrapped, identity="a") == b"secret"
    assert rewrapped[-34:] == sealed[-34:]  # nonce, ciphertext and tag
    assert both.rewrapped(rewrapped, identity="a") == rewrapped


def test_a_key_that_is_gone_is_named() -> None:
    sealed = SEALER.seal(b"secret", identity="a")

    with pytest.raises(SealError, match="'2025', which this server does not have"):
        Sealer({"2026": NEW}, active="2026").open(sealed, identity="a")


@pytest.mark.parametrize(("keks", "active"), [({"a": b"short"}, "a"), ({"a": OLD}, "b"), ({"": OLD}, "")])
def test_a_sealer_with_unusable_keys_is_not_made(keks: dict[str, bytes], active: str) -> None:
    with pytest.raises(ValueError):
        Sealer(keks, active=active)
