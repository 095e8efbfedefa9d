"""What the API knows of packs is what its repository lists, and it never fails for a repository that is not one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from leasehold_api.fleet.served_packs import ServedPack, ServedPacks, pack_for
from tests.support.packs import small_pack
from tests.support.releases import Publisher

THERE = [ServedPack("python3.9", "3.9.1"), ServedPack("python3.11", "3.11.7"), ServedPack("python3.12", "3.12.4+2")]


@pytest.mark.parametrize(
    ("requires", "name"),
    [
        (None, "python3.12"), (">=3.11", "python3.12"), ("<3.12", "python3.11"), ("==3.12.4", "python3.12"),
        (">=3.12.5", None), (">=3.13", None), ("nonsense", None),
    ],
)  # fmt: skip
def test_the_newest_python_that_is_allowed_is_named(requires: str | None, name: str | None) -> None:
    assert pack_for(requires, THERE) == name


def test_what_is_published_is_seen_and_what_is_only_staged_is_not(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path)
    publisher.release("1.0.0")
    served = ServedPacks(publisher.public)
    before = served()
    publisher.add_pack(small_pack(tmp_path))
    publisher.add_pack(small_pack(tmp_path, "uv", "0.13.9"))

    assert (before, served()) == ([], [ServedPack("python3.12", "3.12.4")])


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"signed": {"targets": 3}}', b'{"signed": {"targets": [3]}}'])
def test_a_repository_that_can_not_be_understood_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/7.targets.json").write_bytes(content)

    assert ServedPacks(tmp_path)() == []
    assert ServedPacks(tmp_path / "nothing")() == ServedPacks(None)() == ServedPacks(Path(os.devnull))() == []
