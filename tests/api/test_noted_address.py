"""Commands beside the service know its address, whatever flag it was started with; settings win."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasehold_api.config import Settings
from leasehold_api.noted_address import FILE, address_of, note_address

NOTED = "http://127.0.0.1:18420"


def test_without_a_note_it_is_the_default(tmp_path: Path) -> None:
    assert address_of(Settings(state_dir=tmp_path)) == "http://127.0.0.1:8420"
    assert address_of(Settings(state_dir=tmp_path / "not-there-yet")) == "http://127.0.0.1:8420"


def test_what_was_noted_last_counts(tmp_path: Path) -> None:
    note_address(tmp_path, "https://old.example.com")
    note_address(tmp_path, NOTED)

    assert address_of(Settings(state_dir=tmp_path)) == NOTED
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_a_free_port_is_known_from_the_note(tmp_path: Path) -> None:
    note_address(tmp_path, NOTED)

    assert address_of(Settings(state_dir=tmp_path, port=0)) == NOTED


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"public_url": "https://leasehold.example.com"}, "https://leasehold.example.com"),
        ({"port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "127.0.0.2"}, "http://127.0.0.2:8420"),
    ],
)
def test_settings_win(tmp_path: Path, settings: dict[str, object], address: str) -> None:
    note_address(tmp_path, NOTED)

    assert address_of(Settings.model_validate({"state_dir": tmp_path, **settings})) == address


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"evil", b"http://example.com", b"ftp://127.0.0.1"])
def test_a_note_that_serve_did_not_write_is_left_aside(tmp_path: Path, text: bytes) -> None:
    (tmp_path / FILE).write_bytes(text)

    assert address_of(Settings(state_dir=tmp_path)) == "http://127.0.0.1:8420"
