"""The bundle cache: only what was checked gets in, whole, once."""

from __future__ import annotations

import asyncio
import hashlib
import io
import stat
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leasehold_agent.attempts.bundles import BadBundleError, Bundles


def zipped(files: dict[str, str], *, mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, text)
    return buffer.getvalue()


def names_under(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")]


class Store:
    """Gives bundles in small pieces and counts how often."""

    def __init__(self, *bundles: bytes) -> None:
        self.bundles = {hashlib.sha256(bundle).hexdigest(): bundle for bundle in bundles}
        self.fetched = 0

    async def fetch(self, sha256: str) -> AsyncIterator[bytes]:
        self.fetched += 1
        data = self.bundles[sha256]
        for start in range(0, len(data), 50):
            await asyncio.sleep(0)
            yield data[start : start + 50]


async def test_a_bundle_is_unpacked_under_its_hash_and_fetched_once_however_many_ask(tmp_path: Path) -> None:
    store = Store(zipped({"sensors.py": "x = 1", "pkg/__init__.py": ""}))
    bundles = Bundles(tmp_path / "bundles", store.fetch)
    (sha256,) = store.bundles

    paths = await asyncio.gather(*(bundles.ensure(sha256) for _ in range(10)))

    assert set(paths) == {tmp_path / "bundles" / sha256}
    assert (paths[0] / "sensors.py").read_text() == "x = 1"
    assert (paths[0] / "pkg" / "__init__.py").exists()
    assert store.fetched == 1


async def test_bytes_with_another_hash_never_get_in_and_leave_nothing(tmp_path: Path) -> None:
    store = Store()
    store.bundles["0" * 64] = zipped({"sensors.py": "evil"})

    with pytest.raises(BadBundleError, match="another hash"):
        await Bundles(tmp_path / "bundles", store.fetch).ensure("0" * 64)

    assert list((tmp_path / "bundles").iterdir()) == []


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "a/../../evil", "..\\evil", "C:/evil"])
async def test_a_path_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    store = Store(zipped({"good.py": "", name: "evil"}))

    with pytest.raises(BadBundleError, match="outside"):
        await Bundles(tmp_path / "bundles", store.fetch).ensure(*store.bundles)

    assert names_under(tmp_path) == ["bundles"]


async def test_links_are_refused(tmp_path: Path) -> None:
    store = Store(zipped({"link": "/etc/passwd"}, mode=stat.S_IFLNK | 0o777))

    with pytest.raises(BadBundleError, match="neither file nor folder"):
        await Bundles(tmp_path / "bundles", store.fetch).ensure(*store.bundles)


async def test_what_is_no_zip_or_would_become_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leasehold_agent.attempts.bundles.UNPACKED_LIMIT", 10)
    store = Store(b"not a zip", zipped({"large.py": "x" * 11}))

    for sha256 in store.bundles:
        with pytest.raises(BadBundleError):
            await Bundles(tmp_path / "bundles", store.fetch).ensure(sha256)


async def test_bundles_that_nothing_uses_go_after_a_while(tmp_path: Path) -> None:
    store = Store(zipped({"a.py": ""}), zipped({"b.py": ""}))
    bundles = Bundles(tmp_path / "bundles", store.fetch)
    used, unused = [await bundles.ensure(sha256) for sha256 in store.bundles]

    bundles.remove_unused({used.name}, older_than=0)
    assert unused.exists()
    bundles.remove_unused({used.name}, older_than=unused.stat().st_mtime + 1)

    assert used.exists()
    assert not unused.exists()
