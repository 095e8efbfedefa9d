"""A pack is had whole or not at all, and only as it was signed; what tasks could have before they still can."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import leasehold_agent
from leasehold_agent.commands import packs as command
from leasehold_agent.exits import Exit
from leasehold_agent.packs.found import keep, offered_packs
from leasehold_agent.packs.machine import platform_name
from leasehold_agent.packs.names import Pack
from leasehold_agent.packs.store import PackStore
from leasehold_agent.updating import packs as bringing
from release import packs as releasing
from tests.edge_agent.packs.site import KILLED, NEW, OLD, PYTHON, Site, archive_in
from tests.support.packs import small_pack
from tests.support.releases import NOW, Publisher
from tests.support.small_file_system import mounted


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
