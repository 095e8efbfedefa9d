"""A pack is had whole or not at all, and only as it was signed; what tasks could have before they still can."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Targets

import leasehold_agent
from leasehold_agent.cli import main
from leasehold_agent.commands import packs as command
from leasehold_agent.exits import Exit
from leasehold_agent.packs.found import keep, offered_packs
from leasehold_agent.packs.machine import platform_name
from leasehold_agent.packs.names import Pack
from leasehold_agent.packs.store import PackStore
from leasehold_agent.updating import packs as bringing
from release import changes
from release import packs as releasing
from tests.support.packs import small_pack
from tests.support.releases import NOW, Publisher, Web, serving
from tests.support.small_file_system import mounted

PYTHON, OLD, NEW = "python3.12", "3.12.4", "3.12.5"
KILLED = -9
EDGE_AGENT = Path(sys.executable).with_name("edge-agent")


def _in_its_own_process(words: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(EDGE_AGENT), "packs", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def _in_this_process(words: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environ.items():
            patch.setenv(name, value)
        code = main(["packs", *words])
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


class Site:
    """A machine that trusts a publisher, and on which no agent runs."""

    def __init__(self, folder: Path, publisher: Publisher, web: Web) -> None:
        self.folder = folder
        self.publisher = publisher
        self.web = web
        self.state = folder / "state"
        self.state.mkdir()
        self.root = folder / "root.json"
        self.root.write_bytes(publisher.first_root)

    @property
    def packs(self) -> Path:
        return self.state / "packs"

    @property
    def offered(self) -> list[tuple[str, str]]:
        return [(one.name, one.version) for one in offered_packs(self.packs)]

    @property
    def left(self) -> list[str]:
        """Everything that is there of packs, their users' locks aside."""
        found = [path for path in self.packs.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return sorted({path.relative_to(self.packs).parts[2] for path in found})

    def run(self, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``edge-agent packs``."""
        settings = {"UPDATE_ROOT": str(self.root), "UPDATE_REPOSITORY": self.web.url, "STATE_DIR": str(self.state)}
        environ = {f"LEASEHOLD_AGENT_{name}": value for name, value in settings.items()}
        environ |= {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LEASEHOLD_AGENT_CONFIG": "/dev/null"} | more
        given = [str(word) for word in words]
        done = _in_its_own_process(given, environ) if more else _in_this_process(given, environ)
        assert "Traceback" not in done.stderr
        return done

    def __call__(self, *words: str | Path, code: int = 0, **more: str) -> str:
        """Run ``edge-agent packs``; return what it said."""
        done = self.run(*words, **more)
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    def add(self, *words: str | Path, code: int = 0, **more: str) -> str:
        return self("add", *words, code=code, **more)

    def refusal(self, *words: str | Path) -> tuple[int, str]:
        """Return how it ended, and what it said; nothing is different afterwards."""
        before = (self.offered, self.left)
        done = self.run("add", *words)
        assert (self.offered, self.left) == before
        return done.returncode, done.stderr

    def copy(self) -> Path:
        """Copy the repository to a medium that somebody carries there."""
        return shutil.copytree(self.publisher.public, self.folder / f"copy-{len(list(self.folder.iterdir()))}")


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    (tmp_path / "publisher").mkdir()
    return Publisher(tmp_path / "publisher")


@pytest.fixture
def site(tmp_path: Path, publisher: Publisher) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with serving(publisher.public) as web:
        yield Site(tmp_path / "site", publisher, web)


@pytest.fixture
def old(publisher: Publisher, tmp_path: Path) -> Pack:
    return publisher.add_pack(small_pack(tmp_path, version=OLD))


def unchecked(publisher: Publisher, tree: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a tree under the name of a pack, as a publisher does whose own checks are off."""
    monkeypatch.setattr(releasing, "pack_labelled", lambda _content: pack)
    monkeypatch.setattr(releasing, "_check", lambda *_: None)
    publisher.add_pack(tree)


def publish_archive(publisher: Publisher, archive: Path, pack: Pack) -> None:
    """Sign an archive that nobody looked into."""
    metadata = publisher.workspace.next("targets", Targets, now=NOW)
    changes.add_target(publisher.workspace, metadata, pack.target, archive)
    releasing._stage_catalogue(publisher.workspace, pack.platform, now=NOW)
    publisher.publish()


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, leads_to: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, leads_to
    return made


def archive_in(folder: Path, pack: Pack) -> Path:
    return next(folder.rglob(f"*.{pack.file}"))


def points() -> list[str]:
    """Return every fault point that the command passes."""
    folder = Path(leasehold_agent.__file__).parent
    sources = [(folder / name).read_text() for name in ("updating/packs.py", "installing/versions.py")]
    return sorted({name for source in sources for name in re.findall(r'reach\("([^"]+)"\)', source)})


def test_a_pack_is_had_by_its_name_and_its_program_answers(site: Site, old: Pack) -> None:
    said = site.add(PYTHON)
    (one,) = offered_packs(site.packs)

    assert f"Tasks can have {PYTHON} {OLD}." in said
    assert subprocess.check_output([one.program], text=True).split() == [OLD, str(Path(one.program).parents[1])]
    assert f"{PYTHON}  {OLD}" in re.sub(" +", "  ", site("list"))


def test_what_the_repository_has_is_listed_and_what_is_here_told_apart(
    site: Site, publisher: Publisher, old: Pack, tmp_path: Path
) -> None:
    publisher.add_pack(small_pack(tmp_path, "uv", "0.13.9"))
    publisher.add_pack(small_pack(tmp_path, "python3.9", "3.9.1"))
    site.add(PYTHON)

    listed = json.loads(site("list", "--available", "--json"))
    shown = site("list", "--available")

    assert [one["pack"] for one in listed["installed"]] == [PYTHON]
    assert [one["pack"] for one in listed["available"]] == ["python3.9", PYTHON, "uv"]
    assert "edge-agent packs add uv" in shown
    assert "is here" in shown


def test_without_uv_the_next_step_is_said(site: Site, old: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_uv", lambda *_, **__: None)

    assert site.add(PYTHON).endswith("Tasks that need packages with it need uv too: edge-agent packs add uv\n")


def test_the_newest_comes_and_the_one_before_goes(site: Site, publisher: Publisher, old: Pack, tmp_path: Path) -> None:
    site.add(PYTHON)
    publisher.add_pack(small_pack(tmp_path, version=NEW))
    publisher.add_pack(small_pack(tmp_path, version="3.12.4+2"))

    site.add(PYTHON)

    assert site.offered == [(PYTHON, NEW)]
    assert site.left == [NEW]


def test_another_version_is_had_by_name_and_one_made_once_more_is_another(
    site: Site, publisher: Publisher, old: Pack, tmp_path: Path
) -> None:
    publisher.add_pack(small_pack(tmp_path, version="3.12.4+2"))
    publisher.add_pack(small_pack(tmp_path, version=NEW))

    site.add(PYTHON, "--version", "3.12.4+2")

    assert site.offered == [(PYTHON, "3.12.4+2")]


def test_the_same_pack_twice_is_had_once(site: Site, old: Pack) -> None:
    site.add(PYTHON)
    asked = len([path for path in site.web.asked if path.endswith(old.file)])

    again = json.loads(site.add(PYTHON, "--json"))

    assert again["is_new"] is False
    assert len([path for path in site.web.asked if path.endswith(old.file)]) == asked == 1


def test_where_nothing_can_be_reached_a_copy_of_the_repository_does(site: Site, old: Pack) -> None:
    site.web.url = "http://127.0.0.1:9"

    site.add(PYTHON, "--from", site.copy())

    assert site.offered == [(PYTHON, OLD)]


def test_a_file_of_ones_own_is_taken_when_the_repository_vouches_for_it(site: Site, old: Pack, tmp_path: Path) -> None:
    file = tmp_path / old.file
    shutil.copy(archive_in(site.publisher.public, old), file)

    site.add(file)

    assert site.offered == [(PYTHON, OLD)]
    assert not [path for path in site.web.asked if path.endswith(old.file)], "it was not downloaded"


def test_a_file_may_be_called_as_in_the_repository_and_the_copy_may_vouch(site: Site, old: Pack) -> None:
    copy = site.copy()
    site.web.url = "http://127.0.0.1:9"

    site.add(archive_in(copy, old), "--from", copy)

    assert site.offered == [(PYTHON, OLD)]


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b"\0" + data[1:]])
def test_a_pack_that_was_changed_is_not_taken_however_it_comes(
    site: Site, old: Pack, tmp_path: Path, change: Any
) -> None:
    file = tmp_path / old.file
    copy = site.copy()
    for path in (archive_in(site.publisher.public, old), archive_in(copy, old)):
        path.write_bytes(change(path.read_bytes()))
    shutil.copy(archive_in(copy, old), file)

    refusals = [site.refusal(*words) for words in ((PYTHON,), (PYTHON, "--from", copy), (file,))]

    assert [code for code, _ in refusals] == [Exit.UNTRUSTED] * 3
    assert "something else than what is signed" in refusals[0][1]
    assert "is not what the repository" in refusals[2][1]


def test_a_pack_that_nobody_signed_is_not_taken(site: Site, old: Pack, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Publisher(tmp_path / "other")
    foreign = other.add_pack(small_pack(tmp_path / "other", version=NEW))
    file = tmp_path / foreign.file
    shutil.copy(archive_in(other.public, foreign), file)

    code, said = site.refusal(file)
    by_its_copy, _ = site.refusal(file, "--from", other.public)

    assert code == by_its_copy == Exit.UNTRUSTED
    assert "has no such pack" in said


def test_a_pack_for_other_machines_is_not_taken(site: Site, old: Pack, tmp_path: Path) -> None:
    file = tmp_path / old.file.replace(platform_name(), "linux-sparc64")
    shutil.copy(archive_in(site.publisher.public, old), file)

    code, said = site.refusal(file)

    assert code == Exit.UPDATE
    assert "is for linux-sparc64" in said


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"says": "3.12.9"}, "its program says that it is Python 3.12.9"),
        ({"program": "#!/bin/sh\nexit 1\n"}, "does not work on this machine: exit code 1"),
        ({"program": "#!/nonexistent/ld-linux\n"}, "does not start on this machine"),
        ({"program": "#!/bin/sh\necho 'GLIBC_2.99 not found' >&2; exit 1\n"}, "GLIBC_2.99 not found"),
        ({"program": f"#!/bin/sh\necho {OLD} /usr\n"}, "looks for its library in /usr"),
        ({"glibc": "9.99"}, "it needs glibc 9.99 or newer, and here is"),
        ({"platform": "linux-sparc64"}, f"it says that it is {PYTHON} {OLD} for linux-sparc64"),
    ],
)
def test_a_signed_pack_that_is_not_what_it_says_or_does_not_work_is_not_kept(
    site: Site, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Any, said: str
) -> None:
    unchecked(publisher, small_pack(tmp_path, version=OLD, **made), Pack(PYTHON, OLD, platform_name()), monkeypatch)

    code, text = site.refusal(PYTHON)

    assert code == Exit.UPDATE
    assert said in text


def test_a_pack_under_the_name_of_another_is_not_taken(
    site: Site, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = small_pack(tmp_path, "python3.13", "3.13.1")
    (tree / "bin/python3.12").write_bytes((tree / "bin/python3.13").read_bytes())
    (tree / "bin/python3.12").chmod(0o755)
    unchecked(publisher, tree, Pack(PYTHON, OLD, platform_name()), monkeypatch)

    code, text = site.refusal(PYTHON)

    assert code == Exit.UPDATE
    assert "it says that it is python3.13 3.13.1" in text


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (tar_entry("../outside"), "leads out of the folder"),
        (tar_entry(f"{PYTHON}/../../outside"), "leads out of the folder"),
        (tar_entry("/outside"), "leads out of the folder"),
        (tar_entry(f"{PYTHON}/lib/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
        (tar_entry(f"{PYTHON}/lib/link", tarfile.LNKTYPE, f"{PYTHON}/pack.json"), "is a link"),
        (tar_entry(f"{PYTHON}/lib/device", tarfile.CHRTYPE), "is neither a file nor a folder"),
        (tar_entry(f"{PYTHON}/lib/pipe", tarfile.FIFOTYPE), "is neither a file nor a folder"),
        (tar_entry(f"{PYTHON}/pack.json"), "is in it twice"),
        (None, "there is no pack.json in it"),
    ],
)
def test_a_signed_archive_that_holds_what_no_pack_holds_is_not_taken(
    site: Site, publisher: Publisher, tmp_path: Path, entry: tarfile.TarInfo | None, said: str
) -> None:
    pack, archive = Pack(PYTHON, OLD, platform_name()), tmp_path / "archive"
    with tarfile.open(archive, "w:gz") as tar:
        if entry is not None:
            tar.add(small_pack(tmp_path, version=OLD), PYTHON)
            tar.addfile(entry)
    publish_archive(publisher, archive, pack)

    code, text = site.refusal(PYTHON)

    assert code == Exit.UPDATE
    assert said in text
    assert not (tmp_path / "outside").exists()
    assert [path.name for path in site.packs.iterdir() if path.name != ".lock"] == []


@pytest.mark.parametrize("point", points())
def test_a_crash_at_any_point_leaves_what_was_there_and_the_next_try_succeeds(
    site: Site, publisher: Publisher, old: Pack, tmp_path: Path, point: str
) -> None:
    site.add(PYTHON)
    publisher.add_pack(small_pack(tmp_path, version=NEW))

    site.add(PYTHON, code=KILLED, LEASEHOLD_FAULT_POINT=point)
    between = site.offered
    site.add(PYTHON)

    assert between == [(PYTHON, OLD)]
    assert site.offered == [(PYTHON, NEW)]
    assert site.left == [NEW]
    assert not (site.packs / ".work").exists()


def test_a_full_disk_is_said_and_leaves_nothing(site: Site, publisher: Publisher, tmp_path: Path) -> None:
    tree = small_pack(tmp_path, version=OLD)
    (tree / "lib/large").write_bytes(os.urandom(2**20))
    publisher.add_pack(tree)
    with mounted(tmp_path / "small", size_kb=1500) as small:
        site.state = small

        said = site.add(PYTHON, code=Exit.UPDATE)

        assert "There is not enough room for pack python3.12" in said
        assert site.offered == []
        assert site.left == []


def test_where_no_program_may_be_started_the_cure_is_another_place(site: Site, old: Pack, tmp_path: Path) -> None:
    with mounted(tmp_path / "noexec", size_kb=4000, options="noexec") as folder:
        site.state = folder

        code, said = site.refusal(PYTHON)

    assert code == Exit.UPDATE
    assert "noexec" in said.splitlines()[1]


def test_without_a_root_of_trust_nothing_is_asked(site: Site, old: Pack) -> None:
    said = site.add(PYTHON, code=Exit.USAGE, LEASEHOLD_AGENT_UPDATE_ROOT=str(site.folder / "none"))

    assert "root of trust" in said
    assert site.web.asked == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pyhton3.12",), Exit.USAGE, "Did you mean python3.12?"),
        (("python2.7",), Exit.USAGE, "is no pack"),
        (("python3.14",), Exit.NOT_FOUND, "no pack python3.14"),
        ((PYTHON, "--version", "3.12.9"), Exit.NOT_FOUND, f"It has {PYTHON} {OLD}."),
        ((PYTHON, "--version", "../../etc"), Exit.USAGE, "is no version"),
        (("./python.tar.gz",), Exit.USAGE, "python.tar.gz is no pack's file"),
        ((f"/nowhere/{PYTHON}-{OLD}-{platform_name()}.tar.gz",), Exit.USAGE, "can't be read"),
        ((PYTHON, "--from", "/nowhere"), Exit.NOT_FOUND, "holds no copy of a repository"),
    ],
)
def test_what_is_not_there_is_said_with_a_cure(
    site: Site, old: Pack, words: tuple[str, ...], code: Exit, said: str
) -> None:
    text = site.add(*words, code=code)

    assert said in text
    assert len(text.strip().splitlines()) == 2


def test_a_copy_without_the_file_says_so(site: Site, old: Pack) -> None:
    copy = site.copy()
    archive_in(copy, old).unlink()

    said = site.add(PYTHON, "--from", copy, code=Exit.NOT_FOUND)

    assert "lists packs/python3.12" in said


def test_a_repository_without_packs_says_that_it_has_none(site: Site) -> None:
    assert "It has none yet." in site.add(PYTHON, code=Exit.NOT_FOUND)
    assert "nothing" in site("list", "--available")


def test_a_withdrawn_pack_is_not_had_any_more(site: Site, publisher: Publisher, old: Pack, tmp_path: Path) -> None:
    publisher.add_pack(small_pack(tmp_path, version=NEW))

    releasing.withdraw_pack(publisher.workspace, PYTHON, NEW, now=NOW)
    publisher.publish()
    site.add(PYTHON)

    assert site.offered == [(PYTHON, OLD)]


def test_what_is_removed_is_not_offered_and_gone(site: Site, old: Pack) -> None:
    site.add(PYTHON)

    said = site("remove", PYTHON)
    again = site("remove", PYTHON, code=Exit.NOT_FOUND)

    assert said == f"{PYTHON} is removed.\n"
    assert "No pack python3.12 is here." in again
    assert [path.name for path in site.packs.iterdir()] == [".lock"]


def test_what_was_removed_and_is_still_used_can_be_had_again_without_a_download(site: Site, old: Pack) -> None:
    site.add(PYTHON)
    (one,) = offered_packs(site.packs)
    user = keep(site.packs, one.program)

    said = site("remove", PYTHON)
    listed = site("list")
    between = site.offered
    site.add(PYTHON)
    os.close(user or 0)

    assert said.startswith(f"No task gets {PYTHON} any more.")
    assert "goes when what runs with it has ended" in listed
    assert (between, site.offered) == ([], [(PYTHON, OLD)])
    assert len([path for path in site.web.asked if path.endswith(old.file)]) == 1


def test_of_two_commands_at_once_the_second_is_told(site: Site, old: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add(PYTHON)
    for module in (bringing, command):
        monkeypatch.setattr(module, "_PATIENCE_S", 0.0)

    with PackStore(site.packs).changing():
        said = [site("remove", PYTHON, code=Exit.IN_USE), site.add(PYTHON, code=Exit.IN_USE)]

    assert ["Another command changes the packs" in text for text in said] == [True, True]
    assert site.offered == [(PYTHON, OLD)]
