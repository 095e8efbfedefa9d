"""The root of trust that a tree carries: it is put beside the versions, stays for those without one, and goes last."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasehold_agent.installing.installation import put_packaged, remove_packaged
from leasehold_agent.installing.versions import Versions
from leasehold_agent.updating.place import managed_by
from tests.support.releases import make_tree


def tree(folder: Path, version: str, root: bytes | None) -> Path:
    """Make a version that carries a root."""
    made = make_tree(folder / version, version)
    if root is not None:
        (made / "_internal/about").mkdir()
        (made / "_internal/about/root.json").write_bytes(root)
    return made


def test_it_is_put_beside_the_versions_and_goes_with_the_last_of_them(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"

    put_packaged(tree(tmp_path, "1.0", b"ours"), "1.0", prefix)
    put_packaged(tree(tmp_path, "1.1", None), "1.1", prefix)
    kept = (prefix / "root.json").read_bytes()
    remove_packaged(prefix)

    assert kept == b"ours"
    assert not prefix.exists()


def test_one_that_is_there_is_the_operators_and_stays(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    (prefix / "root.json").write_bytes(b"the operator's")

    put_packaged(tree(tmp_path, "1.0", b"another"), "1.0", prefix)

    assert (prefix / "root.json").read_bytes() == b"the operator's"


@pytest.mark.parametrize(("content", "manager"), [(b"apt\n", "apt"), (b"", None), (b"\xff", None)])
def test_a_package_says_who_brings_newer_versions(tmp_path: Path, content: bytes, manager: str | None) -> None:
    (tmp_path / "managed-by").write_bytes(content)

    assert managed_by(Versions(tmp_path)) == manager
    assert managed_by(Versions(tmp_path / "elsewhere")) is None
    assert managed_by(None) is None
