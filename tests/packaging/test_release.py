"""Making a repository by hand: who has to sign, what is refused, and that half a change is never served."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasehold_agent.link.downloads import Downloads
from leasehold_agent.updating.repository import Repository
from release.commands import main
from tests.support.releases import make_tree, serving

VERSION = "1.1.0"


class Desk:
    """Where a repository is made: its folder, and a drawer with everybody's keys."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.repository = folder / "repository"
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text("correct horse\n")
        self.tree = make_tree(folder / "tree", VERSION)
        self._capsys = capsys

    def __call__(self, *words: object, code: int = 0) -> str:
        """Run one command, and return what it said."""
        self._capsys.readouterr()
        assert main([str(word) for word in words]) == code
        said = self._capsys.readouterr()
        return said.err if code else said.out

    def key(self, name: str, *, online: bool = False) -> None:
        more = ["--online"] if online else ["--passphrase-file", self.passphrase]
        self("key", self.folder / f"{name}.pem", *more)

    def public(self, *names: str) -> list[Path]:
        return [self.folder / f"{name}.pub" for name in names]

    def sign(self, role: str, name: str, *, code: int = 0) -> str:
        key = ("--key", self.folder / f"{name}.pem", "--passphrase-file", self.passphrase)
        return self("sign", self.repository, role, *key, code=code)

    def publish(self, *, key: str = "online", code: int = 0) -> str:
        file = self.folder / f"{key}.pem"
        return self("publish", self.repository, "--snapshot-key", file, "--timestamp-key", file, code=code)

    @property
    def served(self) -> set[str]:
        public = self.repository / "public"
        return {str(path.relative_to(public)).rpartition("/")[2] for path in public.rglob("*") if path.is_file()}


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    for name in ("root-1", "root-2", "root-3", "targets"):
        desk.key(name)
    desk.key("online", online=True)
    roles = ("--root", *desk.public("root-1", "root-2", "root-3"), "--targets", *desk.public("targets"))
    online = ("--snapshot", *desk.public("online"), "--timestamp", *desk.public("online"))
    desk("init", desk.repository, *roles, *online)
    return desk


def begun(desk: Desk) -> Desk:
    """Have the first metadata published."""
    for role, name in (("root", "root-1"), ("root", "root-3"), ("targets", "targets")):
        desk.sign(role, name)
    desk.publish()
    return desk


def newest(desk: Desk, kept: Path) -> str:
    """Return what an installation with the first root sees."""
    with serving(desk.repository / "public") as web:
        source = Downloads(web.url, version="test")
        root = (desk.repository / "public/metadata/1.root.json").read_bytes()
        repository = Repository(web.url, root=root, kept=kept, source=source)
        repository.refresh()
        version = repository.newest("stable")
        source.close()
        return version


def test_a_version_goes_from_the_build_to_the_agents_by_the_procedure(desk: Desk, tmp_path: Path) -> None:
    begun(desk)

    desk("add", desk.repository, VERSION, desk.tree)
    desk("promote", desk.repository, VERSION)
    desk.sign("targets", "targets")
    said = desk.publish()

    assert f"edge-agent-{VERSION}-linux-x86_64.tar.gz" in said
    assert newest(desk, tmp_path / "kept") == VERSION


def test_two_of_three_have_to_sign_for_the_root(desk: Desk) -> None:
    desk.sign("targets", "targets")
    desk.sign("root", "root-2")
    desk.sign("root", "root-2")

    lacking = desk.publish(code=1)

    assert "root has 1 of 2 signatures" in lacking
    assert desk.served == set()


def test_what_nobody_signed_is_served_to_nobody(desk: Desk) -> None:
    begun(desk)
    before = desk.served

    desk("add", desk.repository, VERSION, desk.tree)
    lacking = desk.publish(code=1)

    assert "targets has 0 of 1 signatures" in lacking
    assert desk.served == before
    assert "0 of 1 signatures" in desk("show", desk.repository)


def test_a_change_after_a_signature_takes_a_new_one(desk: Desk) -> None:
    begun(desk)
    desk("add", desk.repository, VERSION, desk.tree)
    desk.sign("targets", "targets")

    desk("promote", desk.repository, VERSION)

    assert "targets has 0 of 1 signatures" in desk.publish(code=1)


def test_a_key_signs_for_its_own_role_only(desk: Desk) -> None:
    desk.key("other", online=True)

    assert "does not count for targets" in desk.sign("targets", "root-1", code=1)
    begun(desk)
    assert "does not count for snapshot" in desk.publish(key="other", code=1)
    assert "nothing of root waits" in desk.sign("root", "root-1", code=1)


def test_a_version_is_never_exchanged(desk: Desk) -> None:
    begun(desk)
    desk("add", desk.repository, VERSION, desk.tree)

    assert "never exchanged" in desk("add", desk.repository, VERSION, desk.tree, code=1)


def test_a_version_that_a_channel_has_is_not_withdrawn(desk: Desk) -> None:
    begun(desk)
    desk("add", desk.repository, VERSION, desk.tree)
    desk("add", desk.repository, "1.0.0", desk.tree)
    desk("promote", desk.repository, VERSION)

    kept = desk("withdraw", desk.repository, VERSION, code=1)
    gone = desk("withdraw", desk.repository, "1.0.0")

    assert "promote another one there first" in kept
    assert "1.0.0" not in gone


def test_who_signs_changes_with_old_and_new_signatures(desk: Desk, tmp_path: Path) -> None:
    begun(desk)
    desk.key("root-4")
    desk.key("targets-2")
    desk("holders", desk.repository, "root", *desk.public("root-2", "root-3", "root-4"), "--threshold", 2)
    desk.sign("root", "root-3")
    desk.sign("root", "root-4")
    old_is_missing = desk.publish(code=1)
    desk.sign("root", "root-1")
    desk.publish()

    desk("holders", desk.repository, "targets", *desk.public("targets-2"), "--threshold", 1)
    for role, name in (("root", "root-2"), ("root", "root-4"), ("targets", "targets-2")):
        desk.sign(role, name)
    desk("add", desk.repository, VERSION, desk.tree)
    desk("promote", desk.repository, VERSION)
    desk.sign("targets", "targets", code=1)
    desk.sign("targets", "targets-2")
    desk.publish()

    assert "1 of 2 signatures of the root before's keys" in old_is_missing
    assert newest(desk, tmp_path / "kept") == VERSION


def test_renewing_makes_everything_last_longer(desk: Desk, tmp_path: Path) -> None:
    begun(desk)

    desk("renew", desk.repository, "root")
    desk("renew", desk.repository, "targets")
    for role, name in (("root", "root-1"), ("root", "root-2"), ("targets", "targets")):
        desk.sign(role, name)
    desk.publish()

    assert {"2.root.json", "2.targets.json", "2.snapshot.json"} <= desk.served


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("init", "{repository}", "--root", "{key}", "--targets", "{key}"), "asked for"),
        (("promote", "{repository}", "9.9"), "there is no version 9.9"),
        (("withdraw", "{repository}", "9.9"), "there is no version 9.9"),
        (("add", "{repository}", "../1", "{tree}"), "can't be a name"),
        (("add", "{repository}", "1.0", "{repository}"), "no program edge-agent"),
        (("show", "{tree}"), "holds no repository"),
        (("sign", "{repository}", "root", "--key", "{tree}/edge-agent"), "can't be opened"),
        (("sign", "{repository}", "root", "--key", "{tree}/none"), "can't be read"),
        (("holders", "{repository}", "root", "{tree}/edge-agent", "--threshold", "1"), "no public key"),
    ],
)
def test_mistakes_are_said_and_change_nothing(desk: Desk, words: tuple[str, ...], said: str) -> None:
    names = {"repository": desk.repository, "tree": desk.tree, "key": desk.public("root-1")[0]}
    online = ("--snapshot", "{key}", "--timestamp", "{key}") if words[0] == "init" else ()
    before = sorted(desk.repository.rglob("*"))

    assert said in desk(*(word.format(**names) for word in (*words, *online)), code=1)
    assert sorted(desk.repository.rglob("*")) == before


def test_a_key_is_for_its_owner_only_sealed_and_never_overwritten(desk: Desk) -> None:
    file = desk.folder / "root-1.pem"
    before = file.read_bytes()

    assert file.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in before
    assert "never overwritten" in desk("key", file, "--online", code=1)
    assert file.read_bytes() == before
    desk.passphrase.write_text("wrong\n")
    assert "a wrong passphrase" in desk.sign("root", "root-1", code=1)
    desk.passphrase.write_text("\n")
    assert "needs a passphrase" in desk("key", desk.folder / "new.pem", "--passphrase-file", desk.passphrase, code=1)
