"""What somebody can do who holds the repository's server, the line to it, or some of its keys: nothing is installed."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.link import downloads
from leasehold_agent.link.downloads import Downloads
from leasehold_agent.packs.machine import platform_name
from leasehold_agent.updating.choosing import archive_target
from leasehold_agent.updating.repository import Repository
from release import changes
from release.changes import Holders
from release.workspace import expiry
from tests.support.releases import NOW, Publisher, Web, make_tree, new_signer, serving

FIRST, SECOND = "1.1.0", "1.2.0"


class Client:
    """One installation: what it trusts at first, and what it has seen since."""

    def __init__(self, web: Web, root: bytes, folder: Path) -> None:
        self.web = web
        self.root = root
        self.folder = folder
        self.archive = folder / "archive"

    def look(self) -> str:
        """Return the newest version of the channel, with its archive downloaded."""
        source = Downloads(self.web.url, version="test")
        repository = Repository(self.web.url, root=self.root, kept=self.folder / "kept", source=source)
        repository.refresh()
        version = repository.newest("stable")
        repository.download(version, platform_name(), self.archive)
        source.close()
        return version

    def refusal(self) -> OperatorError:
        """Return why it did not take what there is."""
        self.archive.unlink(missing_ok=True)
        with pytest.raises(OperatorError) as caught:
            self.look()
        assert not self.archive.exists()
        return caught.value


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    publisher = Publisher(tmp_path)
    publisher.release(FIRST)
    return publisher


@pytest.fixture
def web(publisher: Publisher) -> Iterator[Web]:
    with serving(publisher.public) as web:
        yield web


@pytest.fixture
def client(web: Web, publisher: Publisher, tmp_path: Path) -> Client:
    (tmp_path / "site").mkdir()
    return Client(web, publisher.first_root, tmp_path / "site")


def sent(publisher: Publisher, client: Client) -> str:
    """Return the end of the path at which the archive of the first version is asked for."""
    return f"edge-agent-{FIRST}-{platform_name()}.tar.gz"


def test_an_honest_repository_is_believed_and_newer_versions_are_seen(publisher: Publisher, client: Client) -> None:
    assert client.look() == FIRST

    publisher.release(SECOND)

    assert client.look() == SECOND
    assert client.archive.stat().st_size > 100


def test_rollback_of_everything_to_what_was_published_before(publisher: Publisher, client: Client) -> None:
    shutil.copytree(publisher.public, publisher.folder / "before")
    publisher.release(SECOND)
    client.look()

    client.web.folder = publisher.folder / "before"
    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED
    assert "older than this installation has seen" in refused.cause


def test_rollback_of_the_snapshot_by_who_holds_the_online_key(publisher: Publisher, client: Client) -> None:
    publisher.release(SECOND)
    client.look()
    published = publisher.workspace.published("timestamp", Timestamp)
    assert published is not None

    published.signed.version += 1
    published.signed.snapshot_meta = MetaFile(version=1)
    published.sign(publisher.online)
    publisher.workspace.publish("timestamp", published)
    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED
    assert "older than this installation has seen" in refused.cause


def with_targets(publisher: Publisher, version: int) -> None:
    """Publish a snapshot of another version of the targets, as who holds the online key can."""
    snapshot = publisher.workspace.published("snapshot", Snapshot)
    timestamp = publisher.workspace.published("timestamp", Timestamp)
    assert snapshot is not None
    assert timestamp is not None
    snapshot.signed.version += 1
    snapshot.signed.meta["targets.json"] = MetaFile(version=version)
    timestamp.signed.version += 1
    timestamp.signed.snapshot_meta = MetaFile(version=snapshot.signed.version)
    for metadata in (snapshot, timestamp):
        metadata.sign(publisher.online)
    publisher.workspace.publish("snapshot", snapshot)
    publisher.workspace.publish("timestamp", timestamp)


def test_rollback_of_the_targets_by_who_holds_the_online_key(publisher: Publisher, client: Client) -> None:
    client.look()

    with_targets(publisher, 1)
    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED
    assert "older than this installation has seen" in refused.cause


def test_freeze_what_is_served_lasts_a_week_and_no_longer(publisher: Publisher, client: Client) -> None:
    client.look()

    publisher.publish(now=NOW - timedelta(days=8))
    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED
    assert "out of date" in refused.cause
    assert "clock" in refused.cure


def test_mix_and_match_of_metadata_of_two_moments(publisher: Publisher, client: Client) -> None:
    before = publisher.workspace.published("snapshot", Snapshot)
    publisher.release(SECOND)
    now = publisher.workspace.published("snapshot", Snapshot)
    assert before is not None
    assert now is not None

    client.web.lies[f"/{now.signed.version}.snapshot.json"] = before.to_bytes()
    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED


def test_mix_and_match_of_targets_of_another_moment(publisher: Publisher, client: Client) -> None:
    before = publisher.workspace.published("targets", Targets)
    publisher.release(SECOND)
    now = publisher.workspace.published("targets", Targets)
    assert before is not None
    assert now is not None

    client.web.lies[f"/{now.signed.version}.targets.json"] = before.to_bytes()
    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED


def test_a_repository_of_somebody_else_under_this_address(publisher: Publisher, client: Client, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Publisher(tmp_path / "other")
    other.release("9.9.9")

    client.web.folder = other.public
    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED
    assert "not signed by enough of the keys" in refused.cause


def test_the_online_key_alone_can_not_name_a_version(publisher: Publisher, client: Client) -> None:
    metadata = publisher.workspace.next("targets", Targets, now=NOW)
    metadata.signed.targets[archive_target("9.9.9", platform_name())] = next(iter(metadata.signed.targets.values()))
    metadata.sign(publisher.online)
    publisher.workspace.publish("targets", metadata)
    with_targets(publisher, metadata.signed.version)

    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED
    assert "not signed by enough of the keys" in refused.cause


def test_one_root_key_of_three_can_not_change_who_signs(publisher: Publisher, client: Client) -> None:
    client.look()
    mallory = new_signer()
    metadata = publisher.workspace.next("root", Root, now=NOW)
    metadata.signed.add_key(mallory.public_key, "targets")
    metadata.sign(publisher.roots[0])
    metadata.sign(mallory, append=True)

    publisher.workspace.publish("root", metadata)
    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED
    assert "not signed by enough of the keys" in refused.cause


def test_one_root_key_that_signs_twice_is_one(publisher: Publisher, client: Client) -> None:
    metadata = publisher.workspace.next("root", Root, now=NOW)
    metadata.sign(publisher.roots[0])
    signature = metadata.signatures[publisher.roots[0].public_key.keyid]
    signature.keyid = publisher.roots[1].public_key.keyid
    metadata.signatures[signature.keyid] = signature

    publisher.workspace.publish("root", metadata)

    assert client.refusal().exit_code is Exit.UNTRUSTED


@pytest.mark.parametrize("what", ["timestamp.json", "2.targets.json", f"{platform_name()}.tar.gz", ".stable.json"])
def test_endless_data_ends_at_what_is_signed(client: Client, what: str) -> None:
    taken = itertools.count()
    client.web.lies[what] = (b"x" * 65536 for _ in taken)

    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED
    assert next(taken) * 65536 < 64 * 2**20


def test_data_that_drips_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(downloads, "_SLOWEST", 10**12)

    refused = client.refusal()

    assert refused.exit_code is Exit.UNREACHABLE
    assert "too slowly" in refused.cause


@pytest.mark.parametrize("change", [bytes.upper, lambda data: data[:-1], lambda data: data + b"\0"])
def test_an_archive_that_was_changed(publisher: Publisher, client: Client, change: object) -> None:
    file = next(publisher.public.rglob(f"*.{sent(publisher, client)}"))

    file.write_bytes(change(file.read_bytes()))  # type: ignore[operator]
    refused = client.refusal()

    assert refused.exit_code is Exit.UNTRUSTED
    assert "something else than what is signed" in refused.cause


def test_the_archive_of_an_older_version_under_the_name_of_a_newer(publisher: Publisher, client: Client) -> None:
    old = next(publisher.public.rglob(f"*.{sent(publisher, client)}")).read_bytes()
    publisher.release(SECOND)

    client.web.lies[f"edge-agent-{SECOND}-{platform_name()}.tar.gz"] = old

    assert client.refusal().exit_code is Exit.UNTRUSTED


def test_the_root_key_is_rotated_and_the_old_keys_count_no_more(publisher: Publisher, client: Client) -> None:
    client.look()
    stolen, new_online, new_root = publisher.online, new_signer(), new_signer()
    old_roots, new_roots = publisher.roots, [publisher.roots[1], publisher.roots[2], new_root]
    holders = Holders([signer.public_key for signer in new_roots], 2)

    changes.change_holders(publisher.workspace, "root", holders, now=NOW)
    for signer in (*old_roots[:2], new_root):
        changes.sign(publisher.workspace, "root", signer)
    publisher.publish()
    publisher.roots = new_roots
    for role in ("snapshot", "timestamp"):
        changes.change_holders(publisher.workspace, role, Holders([new_online.public_key], 1), now=NOW)
    publisher.online = new_online
    publisher.release(SECOND)

    assert client.look() == SECOND
    timestamp = publisher.workspace.published("timestamp", Timestamp)
    assert timestamp is not None
    timestamp.signed.version += 1
    timestamp.sign(stolen)
    publisher.workspace.publish("timestamp", timestamp)
    assert client.refusal().exit_code is Exit.UNTRUSTED


def test_a_new_installation_with_the_first_root_follows_all_rotations(
    publisher: Publisher, client: Client, tmp_path: Path
) -> None:
    for _ in range(3):
        changes.renew(publisher.workspace, "root", now=NOW)
        publisher.publish()

    assert client.look() == FIRST
    assert (client.folder / "kept/root.json").resolve().name == "4.root.json"


def test_a_root_that_expired_is_not_believed(publisher: Publisher, client: Client) -> None:
    metadata = publisher.workspace.next("root", Root, now=NOW)
    metadata.signed.expires = expiry("root", NOW - timedelta(days=400))
    for signer in publisher.roots:
        metadata.sign(signer, append=True)
    publisher.workspace.publish("root", metadata)

    assert client.refusal().exit_code is Exit.UNTRUSTED


def test_what_is_remembered_and_then_damaged_on_this_disk_does_not_help_anybody(
    publisher: Publisher, client: Client
) -> None:
    client.look()
    for file in (client.folder / "kept").glob("*.json"):
        if not file.is_symlink():
            file.write_bytes(b"damaged")

    assert client.look() == FIRST


@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b'{"version": 3}', b'{"version": "../../etc"}', b"\xff", b'{"version": ""}']
)
def test_a_channel_that_names_no_version_is_its_publishers_mistake(
    publisher: Publisher, client: Client, content: bytes
) -> None:
    metadata = publisher.workspace.next("targets", Targets, now=NOW)
    file = publisher.folder / "channel"
    file.write_bytes(content)
    changes.add_target(publisher.workspace, metadata, "channels/stable.json", file)
    publisher.publish()

    refused = client.refusal()

    assert refused.exit_code is Exit.UPDATE
    assert "names no version" in refused.cause


def test_no_repository_is_there(client: Client, tmp_path: Path) -> None:
    client.web.folder = tmp_path / "nothing"

    refused = client.refusal()

    assert refused.exit_code is Exit.NOT_FOUND
    assert "no update repository" in refused.cause


def test_a_channel_that_is_not_there_is_said(client: Client) -> None:
    source = Downloads(client.web.url, version="test")
    repository = Repository(client.web.url, root=client.root, kept=client.folder / "kept", source=source)

    with pytest.raises(OperatorError) as caught:
        repository.newest("nightly")

    assert caught.value.exit_code is Exit.NOT_FOUND


def test_nothing_answers(client: Client) -> None:
    client.web.url = "http://127.0.0.1:9"

    assert client.refusal().exit_code is Exit.UNREACHABLE


def test_the_root_of_trust_is_none(client: Client) -> None:
    client.root = b"{}"

    assert client.refusal().exit_code is Exit.UNTRUSTED


def test_a_tree_is_published_as_the_same_bytes_each_time(publisher: Publisher, tmp_path: Path) -> None:
    from release.archive import write_archive

    tree = make_tree(tmp_path / "some", "3.0")
    for name in ("one", "two"):
        write_archive(tree, tmp_path / name)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert Metadata[Root].from_bytes(publisher.first_root).signed.roles["root"].threshold == 2
