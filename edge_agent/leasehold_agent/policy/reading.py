"""Reading ``policy.toml``: whole, by its owner's hand only, and with every mistake named at once."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from leasehold_agent.policy.lines import line_of
from leasehold_agent.policy.mistakes import Mistake, doubts, explained
from leasehold_agent.policy.model import Policy, Signers

LARGEST = 1024 * 1024
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What came of reading a policy: the policy, or what is wrong with it."""

    policy: Policy | None
    mistakes: tuple[Mistake, ...] = ()
    doubts: tuple[str, ...] = ()
    also: tuple[Path, ...] = ()
    """Other files that it was read from."""


class UnusablePolicyError(Exception):
    """The file itself can't be used; the text names cause and cure."""


def read_policy(path: Path) -> Reading:
    """Read a policy. Nothing is raised: whatever is wrong is among the mistakes."""
    try:
        data, doubt = _content(path)
        text = data.decode("utf-8")
    except UnusablePolicyError as error:
        return Reading(policy=None, mistakes=(Mistake(text=str(error)),))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return Reading(policy=None, mistakes=(Mistake(line=line, text="is not UTF-8: save the file as UTF-8"),))
    found = parse_policy(text)
    found = replace(found, doubts=(*found.doubts, *doubt))
    signers = None if found.policy is None else found.policy.signers
    if signers is None or signers.jwks is None:
        return found
    return _with_key_set(found, signers, Path(signers.jwks), line_of(text, ("signers", "jwks")))


def parse_policy(text: str) -> Reading:
    """Return the policy that a text says."""
    if not text.strip():
        # Half written, most likely: a policy that is meant to allow nothing says version = 1 and no more.
        empty = "is empty: edge-agent policy init writes an example; version = 1 alone allows nothing"
        return Reading(policy=None, mistakes=(Mistake(line=1, text=empty),))
    try:
        document = tomllib.loads(text)
        policy = Policy.model_validate(document)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        line = int(at[1]) if at else len(text.splitlines())
        words = _AT_LINE.sub("", str(error)).replace("(at end of document)", "at the end of the file").strip()
        return Reading(policy=None, mistakes=(Mistake(line=line, text=f"is not TOML: {words}"),))
    except RecursionError:
        return Reading(policy=None, mistakes=(Mistake(text="is nested too deeply: write it as the reference shows"),))
    except ValidationError as error:
        return Reading(policy=None, mistakes=tuple(explained(text, error.errors(include_url=False))))
    return Reading(policy=policy, doubts=tuple(doubts(policy)))


def _with_key_set(found: Reading, signers: Signers, file: Path, line: int) -> Reading:
    """Return the policy with the keys of a JWKS file among its own, so that its fingerprint changes with them."""
    from leasehold_agent.policy.key_sets import BadKeySetError, keys_in

    try:
        data, doubt = _content(file, absent="does not exist: put the keys there, or take signers.jwks away")
        keys, notes = keys_in(data.decode("utf-8"))
    except (UnusablePolicyError, BadKeySetError) as error:
        mistake = Mistake(line=line, text=f"signers.jwks: {file} {error}")
        return Reading(policy=None, mistakes=(mistake,), also=(file,))
    except UnicodeDecodeError:
        mistake = Mistake(line=line, text=f"signers.jwks: {file} is not UTF-8: save the file as UTF-8")
        return Reading(policy=None, mistakes=(mistake,), also=(file,))
    known = signers.model_copy(update={"keys": list(dict.fromkeys([*signers.keys, *keys]))})
    policy = None if found.policy is None else found.policy.model_copy(update={"signers": known})
    told = (*found.doubts, *(f"{file}: {each}" for each in [*doubt, *notes]))
    return replace(found, policy=policy, doubts=told, also=(file,))


def fingerprint(policy: Policy) -> str:
    """Return what tells one policy from another, whatever its comments and order of keys."""
    return hashlib.sha256(policy.model_dump_json().encode()).hexdigest()[:32]


def _content(
    path: Path, *, absent: str = "does not exist: edge-agent policy init writes an example"
) -> tuple[bytes, list[str]]:
    """Return the bytes of the file, and doubts about who may change it.

    Raises:
        UnusablePolicyError: it is missing, no file of its own, too large, or others than its owner may write it.
    """
    _check_folder(path)
    try:
        # No link is followed and no device waited for: what is checked is what is read.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UnusablePolicyError(absent) from None
    except OSError as error:
        if path.is_symlink():
            raise UnusablePolicyError("is a symbolic link: put the file itself there, or name it") from None
        raise UnusablePolicyError(f"can't be read ({error.strerror}): let the agent's user read it") from None
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            kind = "a directory" if stat.S_ISDIR(facts.st_mode) else "no regular file"
            raise UnusablePolicyError(f"is {kind}: name a file")
        doubt = _check_owner(facts, path)
        if facts.st_size > LARGEST:
            raise UnusablePolicyError(f"has {facts.st_size} bytes: it may have at most {LARGEST}")
        data = b""
        while len(data) <= LARGEST and (part := os.read(fd, LARGEST + 1 - len(data))):
            data += part
        if len(data) > LARGEST:
            raise UnusablePolicyError(f"grows while it is read: it may have at most {LARGEST} bytes")
        return data, doubt
    except OSError as error:
        raise UnusablePolicyError(f"can't be read: {error.strerror}") from None
    finally:
        os.close(fd)


def _check_owner(facts: os.stat_result, path: Path) -> list[str]:
    own = os.geteuid()
    if facts.st_uid not in (0, own):
        raise UnusablePolicyError(f"belongs to user {facts.st_uid}: give it to root (chown root {path})")
    if facts.st_mode & _OTHERS_MAY_WRITE:
        raise UnusablePolicyError(f"can be written by others than its owner: chmod go-w {path}")
    if facts.st_uid == own and own != 0:
        return ["the file belongs to the agent's user, as which tasks run: give it to root, or a task could change it"]
    return []


def _check_folder(path: Path) -> None:
    """Who may replace the file may as well write it."""
    try:
        facts = path.parent.stat()
    except OSError:
        return  # opening the file says it better
    is_sticky = facts.st_mode & stat.S_ISVTX
    if facts.st_uid not in (0, os.geteuid()) or (facts.st_mode & _OTHERS_MAY_WRITE and not is_sticky):
        raise UnusablePolicyError(
            f"could be replaced by others: its folder must belong to root or the agent's user, and be writable by its "
            f"owner only (chmod go-w {path.parent})"
        )
