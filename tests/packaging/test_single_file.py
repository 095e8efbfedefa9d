"""The file that installs itself: every machine it can't serve hears why, and what was installed before still runs.

The program inside is a small script here, except in the last tests: the file is a shell script, and so is what it says.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.packaging.other_versions import make_version
from tests.packaging.paths import PACKAGING
from tests.support.small_file_system import make_read_only, mounted
from tests.system.programs import until

NOT_INSTALLED = 14
MACHINE = os.uname().machine
INSTALLS_LIKE_THE_BINARY = """\
#!/bin/sh
[ "$1" = --version ] && echo edge-agent 1.2 && exit
[ -z "$GATE" ] || { touch "$GATE.reached"; while [ ! -e "$GATE" ]; do sleep 0.05; done; }
echo "asked: $*"
"""


def write(folder: Path, program: str, *, glibc: str = "2.17") -> Path:
    """Return a single file with a script in the place of the binary."""
    tree = folder / "tree"
    (tree / "_internal/about").mkdir(parents=True)
    facts = {"version": "1.2", "architecture": MACHINE, "glibc": glibc}
    (tree / "_internal/about/build.json").write_text(json.dumps(facts))
    (tree / "edge-agent").write_text(program)
    (tree / "edge-agent").chmod(0o755)
    return made_of(tree, folder)


def made_of(tree: Path, folder: Path) -> Path:
    code = "import sys; from pathlib import Path; from selfinstalling import write_single_file as write\n"
    code += "print(write(Path(sys.argv[1]), Path(sys.argv[2]), level=1))"
    command = [sys.executable, "-c", code, str(tree), str(folder)]
    return Path(subprocess.check_output(command, cwd=PACKAGING, text=True).strip())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, INSTALLS_LIKE_THE_BINARY)


def run(file: Path, *arguments: str, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"GATE": ""} | dict(more or {})
    return subprocess.run(["sh", file, *arguments], capture_output=True, text=True, env=env, check=False, timeout=120)


def with_fake(folder: Path, program: str, says: str) -> dict[str, str]:
    """Return an environment in which a program of the system says something else."""
    folder.mkdir(exist_ok=True)
    (folder / program).write_text(f"#!/bin/sh\n{says}\n")
    (folder / program).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def refused(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    """It said so in words, and with the code that says that nothing was installed."""
    assert ended.returncode == NOT_INSTALLED, ended.stdout + ended.stderr
    for word in words:
        assert word in ended.stderr


def test_it_unpacks_beside_its_place_and_leaves_nothing_of_that(file: Path, tmp_path: Path) -> None:
    ended = run(file, "install", "--user", "--prefix", str(tmp_path / "a place"), "--no-service")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"asked: install --unpacked --user --prefix {tmp_path}/a place --no-service\n"
    assert not (tmp_path / "a place/lib/leasehold").exists()  # the script in it puts nothing there


def test_it_says_what_it_is_without_unpacking(file: Path) -> None:
    assert run(file, "--version").stdout == "edge-agent 1.2\n"
    assert "sh edge-agent" not in run(file, "--help").stderr
    assert "install [--user | --system]" in run(file).stdout
    refused(run(file, "run"), "'run' is nothing this file can do", "install --help")


def test_another_architecture_is_named(file: Path, tmp_path: Path) -> None:
    fake = with_fake(tmp_path / "bin", "uname", '[ "$1" = -m ] && echo riscv64 || echo Linux')

    refused(run(file, "install", "--prefix", str(tmp_path / "p"), more=fake), "on riscv64", "edge-agent-1.2-riscv64")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("system", "says"),
    [("echo glibc 2.12", "glibc 2.12, and this file needs 2.17"), ("exit 1", "no GNU C library")],
    ids=["older", "musl"],
)
def test_a_system_with_another_c_library_is_told_so_before_anything_runs(
    file: Path, tmp_path: Path, system: str, says: str
) -> None:
    fake = with_fake(tmp_path / "bin", "getconf", system)

    refused(run(file, "install", "--prefix", str(tmp_path / "p"), more=fake), says, "with pip")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("here", ["2.17", "2.36", "3.0"])
def test_the_same_glibc_and_newer_ones_will_do(file: Path, tmp_path: Path, here: str) -> None:
    fake = with_fake(tmp_path / "bin", "getconf", f"echo glibc {here}")

    assert run(file, "install", "--prefix", str(tmp_path / "p"), more=fake).returncode == 0


def test_a_file_that_was_cut_off_or_changed_installs_nothing(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    where = ("install", "--prefix", str(tmp_path / "p"))

    file.write_bytes(whole[:-1])
    refused(run(file, *where), "not whole", "Fetch it again")
    file.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    refused(run(file, *where), "changed on its way")
    assert not (tmp_path / "p").exists()


def test_a_disk_without_room_is_named_and_left_as_it_was(tmp_path: Path) -> None:
    large = INSTALLS_LIKE_THE_BINARY + "#" * 2_000_000
    file = write(tmp_path, large)
    with mounted(tmp_path / "small", size_kb=1024) as small:
        refused(run(file, "install", "--prefix", str(small)), "There is no room", "--prefix DIR", "as it was")

        # The system says there is room, as it may for quotas: then unpacking fails, and nothing is left of it.
        fake = with_fake(tmp_path / "bin", "df", "echo; echo x 1 1 99999999 1 /")
        refused(run(file, "install", "--prefix", str(small), more=fake), "can't be unpacked", "as it was")
        assert not list(small.rglob(".unpacked*"))


def test_a_place_that_can_only_be_read_is_named(file: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "fixed", size_kb=4096) as fixed:
        make_read_only(fixed)

        refused(run(file, "install", "--prefix", str(fixed)), "can't be made", "Read-only", "--prefix DIR")


def test_a_place_without_programs_is_named(file: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "data", size_kb=4096, options="noexec") as data:
        refused(run(file, "install", "--prefix", str(data)), "does not start", "noexec", "--prefix DIR")
        assert not list(data.rglob(".unpacked*"))


def test_tmp_is_never_needed(file: Path, tmp_path: Path) -> None:
    nowhere = {"TMPDIR": "/nonexistent", "HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()

    assert run(file, "install", "--user", more=nowhere).returncode == 0


def test_a_user_without_a_home_directory_is_asked_for_a_place(file: Path) -> None:
    refused(run(file, "install", "--user", more={"HOME": "/nonexistent"}), "no home directory", "--prefix DIR")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_an_interrupted_installation_leaves_nothing_that_the_next_does_not_clear(
    file: Path, tmp_path: Path, number: signal.Signals
) -> None:
    gate, prefix = tmp_path / "gate", tmp_path / "p"
    command = ["sh", file, "install", "--prefix", prefix]
    first = subprocess.Popen(command, env=os.environ | {"GATE": str(gate)}, start_new_session=True)
    until(Path(f"{gate}.reached").exists, "the program inside was started")

    os.killpg(first.pid, number)
    first.wait(30)

    assert bool(list(prefix.rglob(".unpacked-*"))) == (number == signal.SIGKILL)
    assert run(file, "install", "--prefix", str(prefix)).returncode == 0
    assert not list(prefix.rglob(".unpacked-*"))


def test_extracting_only_unpacks(file: Path, tmp_path: Path) -> None:
    assert run(file, "extract", str(tmp_path / "here")).returncode == 0

    assert (tmp_path / "here/edge-agent/edge-agent").stat().st_mode & 0o777 == 0o755


def test_two_files_of_the_same_tree_are_the_same_bytes(file: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "tree").rglob("*"):
        os.utime(path, (1, 1))
    (tmp_path / "again").mkdir()

    assert made_of(tmp_path / "tree", tmp_path / "again").read_bytes() == file.read_bytes()


@pytest.mark.timeout(300)
def test_the_binary_installs_itself_twice_side_by_side_and_goes_again(
    binary: Path, packages: Path, tmp_path: Path
) -> None:
    newer = make_version(binary, tmp_path / "newer", "99.0")
    (older_file,) = packages.glob(f"edge-agent-*-{MACHINE}")
    facts = json.loads((binary / "_internal/about/build.json").read_text())
    place = ("--user", "--prefix", str(tmp_path / "the place"))
    quiet = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": "/nonexistent"}
    command = tmp_path / "the place/bin/edge-agent"

    first = run(older_file, "install", *place, more=quiet)
    second = run(made_of(newer, tmp_path), "install", *place, more=quiet)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert f"Version {facts['version']} stays beside it" in second.stdout
    assert f'ExecStart="{tmp_path}/the place/lib/leasehold/current/edge-agent" run' in (
        (tmp_path / "config/systemd/user/edge-agent.service").read_text()
    )
    assert json.loads(subprocess.check_output([command, "version", "--json"]))["build"]["version"] == "99.0"
    versions = tmp_path / "the place/lib/leasehold/versions"
    assert sorted(path.name for path in versions.iterdir()) == [facts["version"], "99.0"]
    older = versions / facts["version"] / "edge-agent"
    assert json.loads(subprocess.check_output([older, "version", "--json"]))["build"] == facts

    task = [older.with_name("edge-python"), "-c", "import sys; print('runs', flush=True); sys.stdin.read()"]
    with subprocess.Popen(task, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as still_runs:
        assert still_runs.stdout is not None
        still_runs.stdout.readline()
        kept = subprocess.run([command, "uninstall", *place], env=os.environ | quiet, capture_output=True, text=True)
    assert (kept.returncode, kept.stderr) == (0, "")
    assert [path.name for path in versions.iterdir()] == [facts["version"]]
    (again,) = [line for line in kept.stdout.splitlines() if line.startswith("  ")]
    gone = subprocess.run(["sh", "-c", again], env=os.environ | quiet, capture_output=True, text=True)
    assert (gone.returncode, gone.stderr) == (0, "")
    assert gone.stdout.startswith("Removed.")
    assert not [path for path in (tmp_path / "the place").rglob("*") if path.is_file() or path.is_symlink()]
    assert not list((tmp_path / "config").rglob("*.service"))
