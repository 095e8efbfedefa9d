"""Which carried wheels fit, and what the markers of a lock say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leasehold.runtime.rules.locks import WantedEnvironment
from leasehold_agent.environments.carried import NotCarriedError, carried_wheels
from leasehold_agent.environments.markers import BadMarkerError, facts, holds
from leasehold_agent.environments.wheel_tags import Fit, fit_of, rank, wheel_name
from tests.support.own_python import OWN, VERSION, carried
from tests.support.wheels import make_wheel, pinned

FIT = Fit(minor=11, machine="x86_64", glibc=31)


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
