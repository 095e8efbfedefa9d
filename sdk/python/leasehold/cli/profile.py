"""Where the person is signed in: the API's address and the team, from the environment or the file ``login`` wrote."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from leasehold.cli.errors import WrongInputError

DEFAULT_TEAM = "default"


class Profile(BaseModel):
    """What ``leasehold login`` remembers. The token is elsewhere: ``token_store`` says where."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: str
    team: str = DEFAULT_TEAM
    token_store: str = "file"  # noqa: S105 - where it is, not what it is
    """``file``, or ``keyring:`` and the name of the backend that has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The variables that override what ``login`` remembered."""

    url: str | None = None
    token: str | None = None
    token_file: str | None = None
    team: str | None = None
    config_dir: Path

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Return what ``variables`` (usually ``os.environ``) say; an empty one counts as not set."""
        return cls(
            url=variables.get("LEASEHOLD_URL") or None,
            token=variables.get("LEASEHOLD_TOKEN") or None,
            token_file=variables.get("LEASEHOLD_TOKEN_FILE") or None,
            team=variables.get("LEASEHOLD_TEAM") or None,
            config_dir=Path(variables.get("LEASEHOLD_CONFIG_DIR") or typer.get_app_dir("leasehold")),
        )


def load_profile(directory: Path) -> Profile | None:
    """Return what ``login`` wrote, or none.

    Raises:
        WrongInputError: if the file is there and cannot be read.
    """
    file = profile_file(directory)
    try:
        return Profile.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise WrongInputError(
            f"{file} cannot be read ({type(error).__name__}).", "Remove it and sign in again: leasehold login URL"
        ) from error


def save_profile(directory: Path, profile: Profile) -> None:
    """Remember where the person is signed in."""
    write_private(profile_file(directory), profile.model_dump_json(indent=2).encode() + b"\n")


def profile_file(directory: Path) -> Path:
    """Return the file that holds the profile."""
    return directory / "cli.json"


def write_private(file: Path, data: bytes) -> None:
    """Write a file that only its owner can read, all of it or nothing of it.

    Raises:
        WrongInputError: if the place cannot be written to.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes the file 0600 from the start: there is no moment in which others could read it.
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WrongInputError(f"Cannot write {file}: {error.strerror or error}.") from error


def checked_url(text: str) -> str:
    """Return the API's address in its plain form, without a slash at the end.

    Raises:
        WrongInputError: if it is no such address, or a token would travel in clear to another machine.
    """
    try:
        parts = urlsplit(text.strip())
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise WrongInputError(f"{text!r} is not an address: {error}.") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise WrongInputError(
            f"{text!r} is not an address.", "It begins with https://, for example https://leasehold.example.org"
        )
    if parts.username or parts.query or parts.fragment:
        raise WrongInputError("The address may have no user, query or fragment in it.")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise WrongInputError(
            f"http:// to {host} would send the token in clear over the network.",
            "Use https://; http:// is for an API on this very machine.",
        )
    return parts.geturl().rstrip("/")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
