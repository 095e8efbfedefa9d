"""Packs are made so that they work wherever they are put, and only such ones get into the repository."""

from __future__ import annotations

import hashlib
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest

from leasehold_agent.environments import tools
from leasehold_agent.environments.pythons import Interpreter
from leasehold_agent.environments.rules import EnvironmentRules
from leasehold_agent.packs.machine import own_glibc, platform_name
from leasehold_agent.packs.names import (
    UV,
    BadPackError,
    Pack,
    glibc_labelled,
    pack_in_file,
    pack_labelled,
    read_catalogue,
)
from leasehold_agent.packs.store import PackStore
from leasehold_agent.packs.trying import try_pack
from leasehold_agent.updating.unpacking import unpack
from packing.python_tree import Made, NoPackError, make_python_tree
from packing.run_paths import RunPathError, read_dynamic, set_run_path
from packing.uv_tree import make_uv_tree, write_uv_tree
from release.archive import TreeError, write_archive
from release.commands import main
from release.workspace import ReleaseError
from tests.support.packs import PYTHON, real_python, small_pack
from tests.support.releases import Publisher

NAME, VERSION = "python3.12", "3.12.4"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return real_python(tmp_path_factory.mktemp("made"))


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    (tmp_path / "publisher").mkdir()
    return Publisher(tmp_path / "publisher")


def script(**instead: str) -> str:
    """Return a program that answers like a Python, but for what is given by the beginning of its line."""
    text = PYTHON.format(words="3 12 4", version=VERSION, name=NAME)
    for beginning, line in instead.items():
        text = "\n".join(
            line if each.lstrip().startswith({"maps": "*/proc", "other": "*) echo"}[beginning]) else each
            for each in text.splitlines()
        )
    return text + "\n"


def test_a_real_python_is_added_and_agents_take_it(publisher: Publisher, made: Made, tmp_path: Path) -> None:
    pack = publisher.add_pack(made.tree)
    archive = next(publisher.public.rglob(f"*.{pack.file}"))

    unpack(archive, tmp_path / "somewhere")

    try_pack(tmp_path / "somewhere" / pack.name, pack)
    assert pack_labelled((made.tree / "pack.json").read_bytes()) == pack == made.pack
    assert pack.name == f"python{sys.version_info.major}.{sys.version_info.minor}"


def test_a_pack_has_the_library_and_nothing_that_was_installed_beside_it(made: Made) -> None:
    names = {path.relative_to(made.tree).as_posix() for path in made.tree.rglob("*")}
    library = f"lib/{made.pack.name}"

    assert {
        f"{library}/os.py",
        f"{library}/asyncio/events.py",
        f"{library}/__pycache__",
        "licences/CPython.txt",
    } <= names
    assert not [name for name in names if "site-packages" in name or "/test/" in name or "readline" in name]
    assert not [path for path in made.tree.rglob("*") if path.is_symlink()]


def test_a_pack_says_which_systems_it_can_run_on(made: Made) -> None:
    needs, has = glibc_labelled((made.tree / "pack.json").read_bytes()), own_glibc()

    assert needs is not None
    assert has is not None
    assert (2, 17) <= needs <= has
    assert glibc_labelled(b'{"glibc": "new"}') is glibc_labelled(b"[]") is None


def test_records_of_the_build_do_not_name_the_machine_that_made_it(made: Made) -> None:
    (records,) = made.tree.glob("lib/python3*/_sysconfigdata_*.py")

    assert sys.base_prefix not in records.read_text()


def test_what_is_no_python_makes_no_pack(tmp_path: Path) -> None:
    for program in ("/bin/true", "/nonexistent/python3"):
        with pytest.raises(NoPackError, match="is no Python that starts here"):
            make_python_tree(Path(program), tmp_path)


def test_a_tree_that_is_there_is_not_overwritten(made: Made) -> None:
    with pytest.raises(NoPackError, match="is there already"):
        real_python(made.tree.parent)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"program": script(other="*) echo 3.12.4 /usr ;;")}, "it was not made to be moved"),
        ({"program": script(maps="*/proc/self/maps*) echo /opt/python/lib/python.so ;;")}, "still loads /opt/python"),
        ({"program": script(maps="*/proc/self/maps*) echo no libffi.so.7 >&2; exit 1 ;;")}, "no libffi.so.7"),
        ({"says": "3.12.5"}, "its program says that it is Python 3.12.5"),
        ({"platform": "linux-sparc64"}, "is for linux-sparc64"),
        ({"version": "3.12.4-1"}, "which can be no pack's"),
        ({"name": "python2.7", "version": "2.7.1"}, "which can be no pack's"),
    ],
)  # fmt: skip
def test_what_would_not_work_at_a_site_is_not_added(
    publisher: Publisher, tmp_path: Path, made: dict[str, Any], why: str
) -> None:
    tree = small_pack(tmp_path, **made)

    with pytest.raises(ReleaseError, match=why):
        publisher.add_pack(tree)

    assert not [path for path in publisher.workspace.staged.rglob("*") if path.is_file()]


def test_a_folder_that_is_no_pack_says_what_makes_one(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="make_runtime_pack"):
        publisher.add_pack(tmp_path)


def test_links_to_files_become_files_and_links_to_folders_are_refused(publisher: Publisher, tmp_path: Path) -> None:
    tree = small_pack(tmp_path)
    (tree / "bin/python3").symlink_to(NAME)
    pack = publisher.add_pack(tree)
    unpack(next(publisher.public.rglob(f"*.{pack.file}")), tmp_path / "out")
    other = small_pack(tmp_path, version="3.12.5")
    (other / "lib64").symlink_to("lib")

    assert not (tmp_path / "out" / NAME / "bin/python3").is_symlink()
    with pytest.raises(TreeError, match="is a link to a folder"):
        publisher.add_pack(other)


def test_what_agents_may_have_is_never_exchanged(publisher: Publisher, tmp_path: Path) -> None:
    publisher.add_pack(small_pack(tmp_path / "one"))

    with pytest.raises(ReleaseError, match="--build 2"):
        publisher.add_pack(small_pack(tmp_path / "two"))


def test_the_commands_add_and_withdraw(
    publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(publisher.workspace.folder)
    codes = [main(["add-pack", folder, str(small_pack(tmp_path, version=version))]) for version in (VERSION, "3.12.5")]
    added = capsys.readouterr().out
    codes += [main(["withdraw-pack", folder, NAME, "3.12.5"]), main(["withdraw-pack", folder, NAME, "3.12.5"])]
    publisher.publish()

    assert codes == [0, 0, 0, 1]
    assert f"packs/{NAME}/3.12.5/{NAME}-3.12.5-{platform_name()}.tar.gz is staged." in added
    catalogue = max(publisher.public.rglob(f"*.{platform_name()}.json"), key=lambda path: path.stat().st_mtime_ns)
    assert read_catalogue(catalogue.read_bytes()) == {NAME: VERSION}


def test_a_run_path_begins_at_the_file_when_there_is_room_for_that(tmp_path: Path) -> None:
    modules = Path(sysconfig.get_config_var("DESTSHARED")).glob("*.so")
    original = next((file for file in modules if (found := read_dynamic(file)) and found.run_path), None)
    if original is None:
        pytest.skip("this Python was built without run paths")
    file = tmp_path / original.name
    shutil.copy(original, file)

    with pytest.raises(RunPathError, match="LDFLAGS"):
        set_run_path(file, "$ORIGIN/" + "x" * 4096)
    before = file.read_bytes()
    assert set_run_path(file, "$ORIGIN")

    found, was = read_dynamic(file), read_dynamic(original)
    assert found is not None
    assert was is not None
    assert (found.run_path, found.needed) == ("$ORIGIN", was.needed)
    assert before == original.read_bytes()
    assert len(file.read_bytes()) == len(before)


def test_what_is_no_program_says_no_run_path(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")

    assert read_dynamic(tmp_path / "text") is None
    assert not set_run_path(tmp_path / "text", "$ORIGIN")


def test_uv_comes_out_of_the_wheel_that_is_locked_and_of_no_other(tmp_path: Path) -> None:
    wheel, lock = tmp_path / "uv-0.13.9-py3-none-any.whl", tmp_path / "uv.txt"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr("uv-0.13.9.data/scripts/uv", "#!/bin/sh\necho uv 0.13.9\n")
        opened.writestr("uv-0.13.9.dist-info/licenses/LICENSE-MIT", "as is")
    lock.write_text(f"uv==0.13.9 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")

    made = make_uv_tree(wheel, lock, tmp_path / "made", build=2)
    wheel.write_bytes(wheel.read_bytes() + b"\0")

    try_pack(made.tree, made.pack)
    assert made.pack == Pack(UV, "0.13.9+2", platform_name())
    assert (made.tree / "licences/LICENSE-MIT").read_text() == "as is"
    with pytest.raises(NoPackError, match="lock again"):
        make_uv_tree(wheel, lock, tmp_path / "other")


def test_the_uv_of_a_pack_installs_where_the_machine_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_uv_tree(Path(sys.executable).with_name(UV), "0", tmp_path)
    store = PackStore(tmp_path / "packs")
    python = Interpreter(path="/usr/bin/python3.12", version=(3, 12, 4), tag="t", has_pip=False)
    rules = EnvironmentRules(cache_dir="", wheels_dir="", packs_dir=str(store.root))
    monkeypatch.setattr(tools.sys, "executable", "/nonexistent/edge-agent")
    with pytest.raises(tools.NoToolError, match="edge-agent packs add uv"):
        tools.find_tool(rules, python, search_path=str(tmp_path))

    with store.changing():
        store.put(made.tree, made.pack)
        store.offer(made.pack)

    found = tools.find_tool(rules, python, search_path=str(tmp_path))
    assert (found.name, found.uv) == ("uv", str(store.versions(UV).tree("0") / "bin/uv"))


@pytest.mark.parametrize(
    "name",
    [
        "python3.12-3.12.4.tar.gz", "python3-3.12.4-linux-x86_64.tar.gz", "node20-20.1-linux-x86_64.tar.gz",
        "python3.12-../etc-linux-x86_64.tar.gz", "uv-0.1-linux-x86_64.zip", "",
    ],
)  # fmt: skip
def test_a_file_that_is_called_like_no_pack_is_none(name: str) -> None:
    with pytest.raises(BadPackError, match="no pack's file"):
        pack_in_file(name)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"packs": []}', b"\xff"])
def test_a_catalogue_that_is_none_is_its_publishers_mistake(content: bytes) -> None:
    with pytest.raises(BadPackError, match="can't be understood"):
        read_catalogue(content)


def test_kinds_of_packs_that_come_later_are_passed_over() -> None:
    later = b'{"packs": {"node22": "22.1.0", "uv": "0.13.9", "python3.13": "../.."}, "more": 1}'

    assert read_catalogue(later) == {UV: "0.13.9"}


def test_an_archive_of_a_pack_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    tree = small_pack(tmp_path)
    for name in ("one", "two"):
        write_archive(tree, tmp_path / name, top=NAME, program=f"bin/{NAME}")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
