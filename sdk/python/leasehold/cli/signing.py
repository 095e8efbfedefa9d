"""Signing a DAG where it is deployed from: what is said of its manifest, sealed with a person's own key."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from leasehold.cli.errors import WrongInputError
from leasehold.cli.session import read_secret
from leasehold.cli.signing_key import SigningKey, read_signing_key
from leasehold.durations import seconds
from leasehold_protocol.signed.envelope import seal
from leasehold_protocol.signed.statement import statement_about
from leasehold_protocol.v1.manifest import Manifest

SignOption = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        envvar="LEASEHOLD_SIGNING_KEY",
        show_envvar=False,
        metavar="KEYFILE",
        help="Sign what is deployed with this key (or LEASEHOLD_SIGNING_KEY): sites may run signed DAGs only.",
    ),
]
PassphraseFileOption = Annotated[
    str | None,
    typer.Option(
        "--passphrase-file",
        envvar="LEASEHOLD_SIGNING_PASSPHRASE_FILE",
        show_envvar=False,
        metavar="PATH|-",
        help="Read the key's passphrase from this file; - is standard input. Otherwise it is asked for.",
    ),
]
ValidForOption = Annotated[
    str | None,
    typer.Option(
        "--valid-for", metavar="DURATION", help="With --sign: nothing of it may start after this long, like 90d."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs manifests, all as of one moment."""

    key: SigningKey
    signed_at: datetime
    not_after: datetime | None

    def sign(self, manifest: Manifest, *, team: str) -> str:
        """Return the signature of a manifest."""
        # As the API will read it: what JSON does not keep must not be signed.
        sent = Manifest.model_validate_json(manifest.model_dump_json())
        said = statement_about(sent, team=team, signed_at=self.signed_at, not_after=self.not_after)
        return seal(said, key=self.key.line, sign=self.key.sign)


def signer_from(key: Path | None, passphrase_file: str | None, valid_for: str | None) -> Signer | None:
    """Return who signs, as the options say; none: nobody does.

    Raises:
        WrongInputError: the key can't be used, or the duration is none.
    """
    if key is None:
        if valid_for is not None:
            raise WrongInputError("--valid-for is about a signature.", "Add --sign KEYFILE.")
        return None
    now = datetime.now(UTC).replace(microsecond=0)
    return Signer(
        key=read_signing_key(key, lambda: passphrase_for(key, passphrase_file)),
        signed_at=now,
        not_after=None if valid_for is None else _after(now, valid_for),
    )


def passphrase_for(key: Path, passphrase_file: str | None, *, is_new: bool = False) -> str:
    """Return a key's passphrase, from its file or from the person.

    Raises:
        WrongInputError: there is nobody to ask, or it is empty.
    """
    if passphrase_file is not None:
        found = read_secret(passphrase_file)
    elif sys.stdin.isatty():
        found = str(typer.prompt(f"Passphrase for {key}", hide_input=True, confirmation_prompt=is_new, err=True))
    else:
        raise WrongInputError(
            f"{os.fspath(key)} needs a passphrase, and there is no terminal to ask for it.",
            "Add --passphrase-file PATH.",
        )
    if not found:
        raise WrongInputError("The passphrase is empty.")
    return found


def _after(now: datetime, valid_for: str) -> datetime:
    try:
        length = seconds(valid_for)
        if length < 1:
            raise WrongInputError(f"--valid-for {valid_for}: nothing could run with it.", "Write it like 90d.")
        return now + timedelta(seconds=round(length))
    except (ValueError, OverflowError):
        raise WrongInputError(f"--valid-for {valid_for!r} is not a duration.", "Write it like 90d or 12h.") from None
