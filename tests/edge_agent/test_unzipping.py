"""Wheels become environments, and nothing bad is unzipped."""

from __future__ import annotations

import os
import random
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from leasehold_agent.environments.carried import CarriedWheel
from leasehold_agent.environments.unzipping import BadWheelError, HaltedError, unzip
from leasehold_agent.environments.wheel_scripts import first_line
from tests.support.own_python import OWN, VERSION, carried, run
from tests.support.wheels import make_wheel, pack_wheel


def unzipped(tmp_path: Path, *wheels: Path) -> Path:
    folder, named = carried(tmp_path / "wheels", *wheels)
    target = tmp_path / "environment"
    taken = [CarriedWheel(file=file, path=folder / sha256, sha256=sha256) for file, sha256 in named.items()]
    unzip(target, taken, OWN, threading.Event(), lambda _: None)
    return target


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
