"""``leasehold keys``: the keys that people sign their DAGs with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, group
from leasehold.cli.signing import PassphraseFileOption, passphrase_for
from leasehold.cli.signing_key import SigningKey, read_signing_key
from leasehold_protocol.signed.keys import key_fingerprint, public_jwk

app = group("Signing keys: sites can be told to run only what was signed with keys that they know.")

KeyFile = Annotated[Path, typer.Argument(help="The file of the private key.", metavar="FILE")]


@app.command(
    "generate",
    epilog=examples("leasehold keys generate deploy.pem", "leasehold keys generate deploy.pem --encrypt"),
)
def generate(
    file: KeyFile,
    *,
    encrypt: Annotated[bool, typer.Option("--encrypt", help="Ask for a passphrase that protects it.")] = False,
    passphrase_file: PassphraseFileOption = None,
    json: JsonOption = False,
) -> None:
    """Make a signing key (Ed25519), and print its public half: give that to the sites that shall trust it.

    The file is made readable by you only, and never overwritten.
    """
    needs_one = encrypt or passphrase_file is not None
    passphrase = passphrase_for(file, passphrase_file, is_new=True) if needs_one else None
    key = SigningKey.generate()
    key.keep(file, passphrase)
    _print(key.line, json=json)
    screen.say(
        f"The private key is in {file}: keep it to yourself. A site that shall trust it names the line above under "
        "keys in [signers] of its policy.",
        stderr=True,
    )


@app.command("show", epilog=examples("leasehold keys show deploy.pem", "leasehold keys show deploy.pem --json"))
def show(file: KeyFile, *, passphrase_file: PassphraseFileOption = None, json: JsonOption = False) -> None:
    """Print the public half of a signing key, as a line for a policy and with its fingerprint, or as JWK."""
    _print(read_signing_key(file, lambda: passphrase_for(file, passphrase_file)).line, json=json)


def _print(line: str, *, json: bool) -> None:
    if json:
        screen.write_json({"key": line, "fingerprint": key_fingerprint(line), "jwk": public_jwk(line)})
        return
    typer.echo(line)
    screen.say(f"fingerprint {key_fingerprint(line)}", stderr=True)
