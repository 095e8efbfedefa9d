"""Environments of unzipped wheels: which fit, what a marker says, and that nothing bad is unzipped."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from leasehold.runtime.rules.locks import WantedEnvironment
from leasehold_agent.environments.building import BuildFailedError, BuildStoppedError, Order, build
from leasehold_agent.environments.cache import EnvironmentCache
from leasehold_agent.environments.carried import CarriedWheel, NotCarriedError, carried_wheels
from leasehold_agent.environments.getting import NoEnvironmentError, Ready, Site, get
from leasehold_agent.environments.markers import BadMarkerError, facts, holds
from leasehold_agent.environments.pythons import Interpreter
from leasehold_agent.environments.rules import EnvironmentRules
from leasehold_agent.environments.tools import find_tool
from leasehold_agent.environments.unzipping import BadWheelError, HaltedError, unzip
from leasehold_agent.environments.wheel_scripts import first_line
from leasehold_agent.environments.wheel_tags import Fit, fit_of, rank, wheel_name
from tests.support.wheels import make_wheel, pack_wheel, pinned

MICRO = sys.version_info.micro
VERSION = (sys.version_info.major, sys.version_info.minor, MICRO)
# A real interpreter stands in for the binary's: it knows environments by the same file.
OWN = Interpreter(path=sys.executable, version=VERSION, tag="cpython-311-linux-x86_64", has_pip=False, unpacks=True)
FIT = Fit(minor=11, machine="x86_64", glibc=31)
KEY = "a" * 64


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("py3-none-any", True), ("py2.py3-none-any", True), ("py2-none-any", False), ("py311-none-any", True),
        ("py312-none-any", False), ("cp311-cp311-linux_x86_64", True), ("cp312-cp312-linux_x86_64", False),
        ("cp310-cp310-linux_x86_64", False), ("cp37-abi3-linux_x86_64", True), ("cp311-abi3-linux_x86_64", True),
        ("cp312-abi3-linux_x86_64", False), ("cp311-none-any", True), ("cp310-none-any", False),
        ("cp311-cp311-manylinux_2_31_x86_64", True), ("cp311-cp311-manylinux_2_32_x86_64", False),
        ("cp311-cp311-manylinux_2_17_aarch64", False), ("cp311-cp311-manylinux1_x86_64", True),
        ("cp311-cp311-manylinux2014_x86_64", True), ("cp311-cp311-manylinux2014_i686", False),
        ("cp311-cp311-manylinux_2_34_x86_64.manylinux2014_x86_64", True), ("cp311-cp311-musllinux_1_2_x86_64", False),
        ("cp311-cp311-win_amd64", False), ("cp311-cp311t-linux_x86_64", False), ("pp311-pypy311_pp73-any", False),
        ("py3-none-manylinux_2_17_x86_64", True), ("py3-none-macosx_11_0_arm64", False),
    ],
)  # fmt: skip
def test_tags_say_which_wheels_fit(tag: str, fits: bool) -> None:
    for file in (f"a_b-1.0+x-{tag}.whl", f"a_b-1.0-1build-{tag}.whl"):
        said = wheel_name(file)

        assert said is not None
        assert said.name == "a_b"
        assert (rank(said, FIT) is not None) is fits


@pytest.mark.parametrize("alias", ["manylinux1", "manylinux2010", "manylinux2014", "manylinux_2_5"])
def test_without_glibc_no_manylinux_fits(alias: str) -> None:
    said = wheel_name(f"a-1-cp311-cp311-{alias}_x86_64.whl")

    assert said is not None
    assert rank(said, replace(FIT, glibc=4)) is None
    assert rank(said, replace(FIT, glibc=None)) is None


def test_the_most_particular_wheel_is_taken() -> None:
    tags = ["py3-none-any", "cp37-abi3-manylinux2014_x86_64", "cp311-cp311-manylinux2014_x86_64",
            "cp311-cp311-manylinux_2_28_x86_64"]  # fmt: skip
    ranks = [rank(said, FIT) for tag in tags if (said := wheel_name(f"a-1-{tag}.whl"))]

    assert None not in ranks
    assert ranks == sorted(ranks, key=str)
    assert len({*ranks}) == 4


@pytest.mark.parametrize(
    "file", ["a.whl", "a-1-py3.whl", "a-1-py3-none-any.zip", "-1-py3-none-any.whl", "a-1-b-c-d-e-f.whl"]
)
def test_other_names_are_no_wheels(file: str) -> None:
    assert wheel_name(file) is None


def test_the_machine_is_read_from_the_interpreter() -> None:
    fit = fit_of(replace(OWN, tag="cpython-311-linux-aarch64"))

    assert (fit.minor, fit.machine) == (VERSION[1], "aarch64")
    assert fit.glibc is None or fit.glibc > 16


@pytest.mark.parametrize(
    ("marker", "true"),
    [
        ("sys_platform == 'linux'", True), ('sys_platform == "win32"', False), ("sys_platform != 'win32'", True),
        ("python_version >= '3.9'", True), ("python_version < '3.9'", False), ("'3.9' <= python_version", True),
        ("python_full_version < '3.11.5'", True), ("python_full_version == '3.11.*'", True),
        ("python_version == '3.11'", True), ("python_version == '3.8' or os_name == 'posix'", True),
        ("python_version == '3.8' and os_name == 'posix' or sys_platform == 'linux'", True),
        ("python_version == '3.8' and (os_name == 'posix' or sys_platform == 'linux')", False),
        ("'linux' in sys_platform", True), ("sys_platform not in 'win32 cygwin'", True), ("extra == 'x'", False),
        ("platform_python_implementation != 'PyPy' and implementation_name == 'cpython'", True),
    ],
)  # fmt: skip
def test_markers_say_whether_a_package_is_wanted(marker: str, true: bool) -> None:
    assert holds(marker, facts((3, 11, 4))) is true


@pytest.mark.parametrize(
    "marker",
    ["", "os_name", "os_name ==", "os_name == 'posix' or", "(os_name == 'posix'", "os_name == 'posix')",
     "os.name == 'x'", "os_name ~= 'posix'", "python_version >= 'new'", "platform_release == '6'", "os_name 'posix'",
     "os_name == 'a' 'b'",
     "python_version === '3.11'", "__import__('os')"],
)  # fmt: skip
def test_markers_that_are_not_understood_are_no_guess(marker: str) -> None:
    with pytest.raises(BadMarkerError):
        holds(marker, facts((3, 11, 4)))


def carried(folder: Path, *wheels: Path) -> tuple[Path, dict[str, str]]:
    """Put wheels where the agent keeps them: by their hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    named: dict[str, str] = {}
    for wheel in wheels:
        named[wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (folder / named[wheel.name]).write_bytes(wheel.read_bytes())
    return folder, named


def test_every_package_that_is_wanted_here_has_to_be_carried(tmp_path: Path) -> None:
    one, other = make_wheel(tmp_path / "made", "one", "1"), make_wheel(tmp_path / "made", "other", "1")
    folder, named = carried(tmp_path / "wheels", one)
    foreign = f"foreign==1 ; sys_platform == 'win32' --hash=sha256:{'0' * 64}\n"
    strange = f"strange==1 ; platform_release == '6' --hash=sha256:{'0' * 64}\n"

    def found(lock: str) -> list[str]:
        return [each.file for each in carried_wheels(WantedEnvironment(lock=lock, wheels=named), OWN, folder)]

    assert found(pinned(one) + foreign) == [one.name]
    with pytest.raises(NotCarriedError, match="carried for other"):
        found(pinned(one, other))
    with pytest.raises(NotCarriedError, match="strange"):
        found(pinned(one) + strange)
    with pytest.raises(NotCarriedError, match="carried for one"):
        found(f"one==1 --hash=sha256:{'1' * 64}\n")
    (folder / named[one.name]).unlink()
    with pytest.raises(NotCarriedError, match="carried for one"):
        found(pinned(one))


def unzipped(tmp_path: Path, *wheels: Path) -> Path:
    folder, named = carried(tmp_path / "wheels", *wheels)
    target = tmp_path / "environment"
    taken = [CarriedWheel(file=file, path=folder / sha256, sha256=sha256) for file, sha256 in named.items()]
    unzip(target, taken, OWN, threading.Event(), lambda _: None)
    return target


def run(*argv: object) -> str:
    return subprocess.check_output([str(each) for each in argv], text=True)


def test_everything_in_a_wheel_goes_to_its_place(tmp_path: Path) -> None:
    wheel = pack_wheel(
        tmp_path,
        "paint-1.0-py3-none-any.whl",
        {
            "paint/__init__.py": "class Brush:\n    @staticmethod\n    def main():\n        print('painted')\n",
            "paint/more/": "",
            "paint-1.0.dist-info/entry_points.txt": "[console_scripts]\npaint-it = paint : Brush.main [x]\n[b]\na=b\n",
            "paint-1.0.data/purelib/pure.py": "",
            "paint-1.0.data/platlib/plat/x.txt": "x",
            "paint-1.0.data/scripts/brush": "#!python\nimport pure, sys; print(sys.prefix)\n",
            "paint-1.0.data/data/share/paint/colours.txt": "red",
            "paint-1.0.data/headers/paint.h": "",
        },
    )

    root = unzipped(tmp_path, wheel)

    packages = root / f"lib/python3.{VERSION[1]}/site-packages"
    assert (packages / "plat/x.txt").read_text() == "x"
    assert (root / "share/paint/colours.txt").read_text() == "red"
    assert run(root / "bin/paint-it") == "painted\n"
    assert run(root / "bin/brush") == f"{root}\n"
    assert run(root / "bin/python", "-I", "-c", "import paint, pure; print(paint.__file__)").startswith(str(packages))
    names = {path.name for path in root.rglob("*")}
    assert "paint.h" not in names
    assert (root / "bin/python").readlink() == Path(os.path.realpath(sys.executable))


def test_a_script_finds_an_interpreter_whose_path_is_too_long_for_its_first_line(tmp_path: Path) -> None:
    folder = tmp_path / ("it's long " + "x" * 120)
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_text(first_line(str(folder / "python")) + "import sys; print(sys.argv[1:])\n")
    script.chmod(0o755)

    assert run(script, "a b", "c") == "['a b', 'c']\n"


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("../out.py", "leads out"), ("a/../../out.py", "leads out"), ("/out.py", "leads out"), ("a//b.py", "leads out"),
        ("./a.py", "leads out"), ("a\\b.py", "leads out"), ("start.pth", "every start"),
        ("bad-1.data/purelib/start.pth", "every start"), ("bad-1.data/data/bin/python", "another content"),
        ("bad-1.data/scripts/python3", "another content"), ("bad-1.data/data/environment.json", "another content"),
        ("bad-1.data/data/lib/python3.11/site-packages/start.pth", "every start"),
        ("bad-1.data/x/y", "belongs nowhere"),
        ("bad-1.data/data/lib", "a file or a folder"), ("bad-1.data/data/pyvenv.cfg/x", "a file or a folder"),
        ("bad-1.data/scripts/a/b", "belongs nowhere"), ("other-1.dist-info/x", "should have one"),
        ("bad-1.dist-info/entry_points.txt", "can't be read"),
    ],
)  # fmt: skip
def test_nothing_is_put_where_it_does_not_belong(tmp_path: Path, member: str, says: str) -> None:
    wheel = pack_wheel(tmp_path, "bad-1-py3-none-any.whl", {member: "print('here')"})

    with pytest.raises(BadWheelError, match=says):
        unzipped(tmp_path / "in", wheel)

    assert not list(tmp_path.glob("**/out.py"))


@pytest.mark.parametrize("line", ["x = a:b; import os", "../x = a:b", "x = a", "x = a:b()"])
def test_a_command_that_is_none_is_refused(tmp_path: Path, line: str) -> None:
    entries = f"[console_scripts]\n{line}\n"
    wheel = pack_wheel(tmp_path, "bad-1-py3-none-any.whl", {"bad-1.dist-info/entry_points.txt": entries})

    with pytest.raises(BadWheelError, match="can't be one"):
        unzipped(tmp_path / "in", wheel)


def test_links_are_refused(tmp_path: Path) -> None:
    wheel = pack_wheel(tmp_path, "bad-1-py3-none-any.whl", {"a.py": "/etc/passwd"}, mode=0o120777)

    with pytest.raises(BadWheelError, match="a link"):
        unzipped(tmp_path / "in", wheel)


def test_two_wheels_may_bring_one_file_only_with_one_content(tmp_path: Path) -> None:
    one, same, other = (
        pack_wheel(tmp_path, f"{name}-1-py3-none-any.whl", {"shared/x.py": text})
        for name, text in (("one", "1"), ("same", "1"), ("other", "2"))
    )
    unzipped(tmp_path / "fine", one, same)

    with pytest.raises(BadWheelError, match=r"other-1.*shared/x\.py.*another content"):
        unzipped(tmp_path / "not", one, other)


def test_a_wheel_that_says_less_than_it_has_is_refused(tmp_path: Path) -> None:
    wheel = pack_wheel(tmp_path, "bad-1-py3-none-any.whl", {"a.txt": "x" * 100_000})
    data = wheel.read_bytes()
    wheel.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))

    with pytest.raises(BadWheelError, match="CRC"):
        unzipped(tmp_path / "in", wheel)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_archive_is_refused_or_unzipped_and_does_no_harm(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    wheel = pack_wheel(
        tmp_path, "bad-1-py3-none-any.whl", {"a/b.py": "x = 1\n" * 9, "bad-1.data/scripts/s": "#!python\n"}
    )
    data = bytearray(wheel.read_bytes())
    for _ in range(3):
        data[chance.randrange(len(data))] = chance.randrange(256)
    wheel.write_bytes(data)

    with suppress(BadWheelError):
        unzipped(tmp_path / "in", wheel)

    assert {path.name for path in (tmp_path / "in").iterdir()} <= {"wheels", "environment"}


def test_an_archive_of_a_format_to_come_is_refused(tmp_path: Path) -> None:
    wheel = pack_wheel(tmp_path, "bad-1-py3-none-any.whl", {"a.py": ""})
    data = wheel.read_bytes()
    at = data.rindex(b"PK\x01\x02") + 6
    wheel.write_bytes(data[:at] + b"\xc8" + data[at + 1 :])

    with pytest.raises(BadWheelError, match="version 20"):
        unzipped(tmp_path / "in", wheel)


def test_what_has_no_room_is_not_begun(tmp_path: Path) -> None:
    wheel = pack_wheel(tmp_path, "big-1-py3-none-any.whl", {"a.txt": "x" * 100_000})
    data = wheel.read_bytes()
    wheel.write_bytes(data.replace((100_000).to_bytes(4, "little"), (0xFFFFFFF0).to_bytes(4, "little")))
    folder, named = carried(tmp_path / "wheels", wheel)
    ((file, sha256),) = named.items()
    one = CarriedWheel(file=file, path=folder / sha256, sha256=sha256)

    with pytest.raises(BadWheelError, match="make room"):
        unzip(tmp_path / "environment", [one] * 200, OWN, threading.Event(), lambda _: None)


def test_what_nobody_wants_any_more_ends(tmp_path: Path) -> None:
    folder, named = carried(tmp_path / "wheels", make_wheel(tmp_path, "one", "1"))
    ((file, sha256),) = named.items()
    halt = threading.Event()
    halt.set()

    with pytest.raises(HaltedError):
        unzip(tmp_path / "x", [CarriedWheel(file=file, path=folder / sha256, sha256=sha256)], OWN, halt, print)


def order(tmp_path: Path, *wheels: Path) -> tuple[EnvironmentCache, Order, list[str]]:
    folder, named = carried(tmp_path / "wheels", *wheels)
    cache, said = EnvironmentCache(tmp_path / "cache"), list[str]()
    cache.root.mkdir(exist_ok=True)
    rules = EnvironmentRules(cache_dir=str(cache.root), wheels_dir=str(folder))
    return (
        cache,
        Order(
            key=KEY,
            wanted=WantedEnvironment(lock=pinned(*wheels), wheels=named),
            wheels_dir=folder,
            tool=find_tool(rules, OWN, search_path=os.defpath),
            use_index=True,
            timeout_s=60,
            variables={},
            say=said.append,
            stopped=asyncio.Event(),
        ),
        said,
    )


async def test_an_environment_is_built_of_what_is_carried(tmp_path: Path) -> None:
    text = "[console_scripts]\ntool = tool:main\n"
    tool = pack_wheel(
        tmp_path, "tool-1-py3-none-any.whl",
        {"tool.py": "def main():\n    print('ran')\n", "tool-1.dist-info/entry_points.txt": text},
    )  # fmt: skip
    cache, wanted, said = order(tmp_path, make_wheel(tmp_path / "made", "colours", "1.0"), tool)

    await build(cache, wanted)

    assert not list(cache.path(KEY).glob("lib/**/__pycache__"))
    code = "import colours, sys; print(colours.VERSION, sys.prefix)"
    assert await asyncio.to_thread(run, cache.python(KEY), "-I", "-c", code) == f"1.0 {cache.path(KEY)}\n"
    assert await asyncio.to_thread(run, cache.path(KEY) / "bin/tool") == "ran\n"
    (one,) = cache
    assert one.facts["packages"] == ["colours 1.0", "tool 1"]
    assert "installing 2 packages with the agent itself" in said[0]
    assert any("unzipping colours-1.0" in line for line in said)


async def test_a_wheel_that_was_tampered_with_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    cache, wanted, _ = order(tmp_path, wheel := make_wheel(tmp_path / "made", "colours", "1.0"))
    stored = wanted.wheels_dir / wanted.wanted.wheels[wheel.name]
    stored.write_bytes(make_wheel(tmp_path / "evil", "colours", "1.0", code="EVIL = True").read_bytes())

    with pytest.raises(BuildFailedError, match=r"colours-1\.0.*SHA-256 is another"):
        await build(cache, wanted)

    assert list(cache.root.iterdir()) == []
    assert not stored.exists(), "the next attempt fetches it again"


async def test_building_can_be_stopped(tmp_path: Path) -> None:
    stopped = asyncio.Event()

    def stop(line: str) -> None:
        if "unzipping" in line:
            stopped.set()

    big = pack_wheel(tmp_path, "big-1-py3-none-any.whl", {"big.txt": bytes(200_000_000)})
    cache, wanted, _ = order(tmp_path, big)

    with pytest.raises(BuildStoppedError):
        await build(cache, replace(wanted, say=stop, stopped=stopped))

    assert list(cache.root.iterdir()) == []


async def test_building_has_a_time_and_ends_with_it(tmp_path: Path) -> None:
    cache, wanted, _ = order(tmp_path, pack_wheel(tmp_path, "big-1-py3-none-any.whl", {"big.txt": bytes(50_000_000)}))

    with pytest.raises(BuildFailedError, match="environment_timeout_s"):
        await build(cache, replace(wanted, timeout_s=0))

    assert list(cache.root.iterdir()) == []


async def test_what_is_not_carried_goes_to_another_python_or_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path / "made", "colours", "1.0")
    folder, named = carried(tmp_path / "wheels", wheel)
    other = replace(OWN, path="/other/python3", unpacks=False)

    def found(*_: object, **__: object) -> list[Interpreter]:
        return here

    monkeypatch.setattr("leasehold_agent.environments.getting.interpreters", found)
    rules = EnvironmentRules(cache_dir=str(tmp_path / "cache"), wheels_dir=str(folder))
    site = Site(rules=rules, python=OWN.path, allowed="index", surroundings={"PATH": "/nonexistent"}, variables={})

    async def got(wanted: WantedEnvironment) -> Ready:
        return await get(wanted, site, lambda _: None, asyncio.Event())

    here = [OWN]
    only_python = await got(WantedEnvironment(lock="", requires_python=">=3.11"))
    assert (only_python.python, only_python.hold) == (OWN.path, None)
    unpacked = await got(WantedEnvironment(lock=pinned(wheel), wheels=named))
    assert unpacked.hold is not None
    with pytest.raises(
        NoEnvironmentError, match=r"for colours: carry the wheels \(leasehold deploy --wheels\), or add"
    ):
        await got(WantedEnvironment(lock=pinned(wheel)))
    with pytest.raises(NoEnvironmentError, match=r"requires-python '>=3\.40' allows"):
        await got(WantedEnvironment(lock=pinned(wheel), requires_python=">=3.40"))
    here = [OWN, other]
    with pytest.raises(NoEnvironmentError, match="/other/python3"):
        await got(WantedEnvironment(lock=pinned(wheel)))
