"""A policy that can't be used says everything that is wrong with it, and lets nothing run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from leasehold_agent.policy.example import EXAMPLE
from leasehold_agent.policy.file import PolicyFile
from leasehold_agent.policy.reading import LARGEST, fingerprint, parse_policy, read_policy

GOOD = 'version = 1\nruntimes = ["program"]\nteams = ["*"]\ndags = ["*"]\n[[programs]]\npath = "/bin/sh"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(GOOD)
    path.chmod(0o644)
    return path


def mistakes(text: str) -> list[str]:
    return [str(mistake) for mistake in parse_policy(text).mistakes]


def test_the_example_can_be_used() -> None:
    assert parse_policy(EXAMPLE).mistakes == ()


def test_all_mistakes_are_named_at_once_each_with_its_line() -> None:
    text = """\
version = 1
runtmes = ["python"]
dags = [
    "ok",
    "a b",
]
[limits]
slots = "4"
memory_per_process = "lots"
[hours]
timezone = "Mars/Olympus"
windows = [
    { start = "0 0 31 feb *", duration = "8h" },
    { start = "0 6 * * 1-5", duration = "8h" },
]
[[programs]]
path = "/usr/bin/df"
[[programs]]
path = "rsync"
"""
    found = mistakes(text)

    assert [line.partition(":")[0] for line in found] == [f"line {n}" for n in (2, 5, 8, 9, 11, 13, 14, 19)]
    assert found[0] == "line 2: there is no runtmes; did you mean runtimes?"
    assert "never comes" in found[5]
    assert "absolute path" in found[7]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        ("\n  \n", "is empty"),
        ("version = 2\n", "version = 2"),
        ('runtimes = ["python"]\n', "version is missing"),
        ('version = 1\nruntimes = ["python"', "is not TOML"),
        ("version = 1\nslots = 3\n", "it belongs in limits"),
        ('version = 1\nruntimes = "python"\n', "runtimes = 'python'"),
        ('version = 1\nruntimes = ["wasm"]\n', "runtimes = 'wasm'"),
        ('version = 1\ndags = [""]\n', "empty pattern"),
        ('version = 1\n[[programs]]\npath = "/usr/bin/"\n', "can never fit"),
        ('version = 1\n[[programs]]\npath = "/a"\nargs = [["...", "-h"]]\n', "can only be the last"),
        ('version = 1\n[hours]\ntimezone = "UTC"\nwindows = []\n', "windows"),
        ('version = 1\n[hours]\ntimezone = "UTC"\nwindows = [{start = "* * * * *", duration = "1h"}]\n', "one number"),
        ('version = 1\n[hours]\ntimezone = "UTC"\nwindows = [{start = "0 25 * * *", duration = "1h"}]\n', "no cron"),
        ("version = 1\n[limits]\nslots = 0\n", "limits.slots = 0"),
        ("x = " + "[" * 50_000, ""),
    ],
)
def test_what_can_not_be_meant_is_a_mistake(text: str, part: str) -> None:
    found = mistakes(text)

    assert found
    assert part in found[0]


def test_version_alone_is_a_policy_that_allows_nothing() -> None:
    found = parse_policy("version = 1\n")

    assert found.policy is not None
    assert "nothing can run" in found.doubts[0]


def test_comments_and_order_do_not_make_another_policy() -> None:
    one, same = parse_policy(GOOD).policy, parse_policy("# ours\n" + GOOD).policy
    other = parse_policy(GOOD.replace("/bin/sh", "/bin/ls")).policy

    assert one is not None
    assert same is not None
    assert other is not None
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def test_a_file_that_others_may_write_is_refused(file: Path) -> None:
    file.chmod(0o664)

    (mistake,) = read_policy(file).mistakes

    assert "can be written by others" in mistake.text


def test_a_file_that_others_may_replace_is_refused(file: Path) -> None:
    file.parent.chmod(0o777)

    (mistake,) = read_policy(file).mistakes

    assert "could be replaced by others" in mistake.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(file: Path) -> None:
    os.chown(file, 12345, -1)

    (mistake,) = read_policy(file).mistakes

    assert "belongs to user 12345" in mistake.text


def test_what_is_no_plain_file_is_refused(file: Path) -> None:
    link, pipe, folder = (file.with_name(name) for name in ("link", "pipe", "folder"))
    link.symlink_to(file)
    os.mkfifo(pipe)
    folder.mkdir()

    assert "symbolic link" in read_policy(link).mistakes[0].text
    assert "no regular file" in read_policy(pipe).mistakes[0].text
    assert "is a directory" in read_policy(folder).mistakes[0].text
    assert "does not exist" in read_policy(file.with_name("missing")).mistakes[0].text


def test_a_file_of_100_mb_is_not_read(file: Path) -> None:
    os.truncate(file, 100_000_000)

    (mistake,) = read_policy(file).mistakes

    assert f"at most {LARGEST}" in mistake.text


def test_what_is_not_utf_8_is_refused_with_its_line(file: Path) -> None:
    file.write_bytes(b"version = 1\n# caf\xe9\n")

    (mistake,) = read_policy(file).mistakes

    assert mistake.line == 2


def test_a_change_counts_once_it_looks_the_same_twice(file: Path) -> None:
    policy = PolicyFile(file)
    before = policy.fingerprint
    file.write_text(GOOD.replace("/bin/sh", "/bin/ls"))

    assert not policy.look()
    assert policy.fingerprint == before
    assert policy.look()
    assert policy.fingerprint != before


def test_a_half_written_file_is_never_an_empty_policy(file: Path) -> None:
    policy = PolicyFile(file)
    file.write_text("")

    policy.look()
    policy.look()

    assert policy.policy is None
    assert "is empty" in (policy.problem or "")


def test_a_policy_that_vanishes_lets_nothing_run(file: Path) -> None:
    policy = PolicyFile(None, default=file)
    assert policy.problem is None
    file.unlink()

    policy.look()
    policy.look()

    assert policy.policy is None
    assert "does not exist" in (policy.problem or "")


def test_without_a_file_at_the_default_place_there_is_no_policy_until_there_is_one(file: Path) -> None:
    later = file.with_name("later.toml")
    policy = PolicyFile(None, default=later)
    assert (policy.policy, policy.problem, policy.is_wanted) == (None, None, False)

    file.rename(later)
    policy.look()
    policy.look()

    assert policy.policy is not None


def test_a_policy_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert "does not exist" in (PolicyFile(tmp_path / "missing.toml").problem or "")
