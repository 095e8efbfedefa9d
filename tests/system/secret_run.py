"""One run in which every kind of secret is used, and what could be seen of it: by whom and where."""

from __future__ import annotations

import json
import os
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from joserfc.jwk import ECKey

from leasehold.runtime.rules.encodings import encodings
from leasehold_agent.identity.enrolment import load_key
from leasehold_agent.identity.record import enrolled
from tests.system.place import Place
from tests.system.wire import Wire

MADE_UP = {
    "password": "cörrect-horse/battery+1",
    "extra value": "an-extra-value-0c6b",
    "password in a URI": "uri-p@ss/word-77",
    "variable": "variable-secret-value-4411",
    "value of an env: reference": "from-the-environment-9f2",
    "value of a file: reference": "from-a-file-5d10c",
    "person's password": "seven tame otters juggle",
    "OIDC client secret": "oidc-client-secret-1d4e7",
}
"""Secrets that somebody typed, by what they are."""

_TOKENS = re.compile(rb'"(access_token|refresh_token|device_code|task_token)": ?"([^"]+)"')
_SESSION = re.compile(rb"\r\nset-cookie: leasehold=([^;\r]+)", re.IGNORECASE)
DAGS = """\
import json, time
from pathlib import Path

from leasehold import Connection, Variable, dag, id_token, log, shell, task


@task(connections=["plant_db", "by_uri", "by_env", "by_file"], variables=["api_token"], id_tokens=["vault"])
def talkative(gate: str) -> int:
    found = [Connection.get(name) for name in ("plant_db", "by_uri", "by_env", "by_file")]
    more = [found[0].extra["api_key"], Variable.get("api_token"), id_token("vault")]
    secrets = [each.password for each in found] + more
    for secret in secrets:
        print("a secret is", secret, json.dumps(secret), secret.encode().hex())
    log.info("signing in", password=secrets[0], everything=secrets)
    while not Path(gate).exists():
        time.sleep(0.02)
    return len(secrets)


@task(connections=["plant_db"])
def failing() -> None:
    raise ValueError("can't sign in with " + Connection.get("plant_db").password)


@dag
def telling(gate: str):
    talkative(gate)
    failing()
    wait = 'env; while ! [ -e "$GATE" ]; do sleep 0.02; done'
    shell(wait, id="env", env={"GATE": gate}, result="nothing")
"""


@dataclass
class Seen:
    """What may be read by others, and what must not be in it."""

    texts: dict[str, bytes] = field(default_factory=dict)
    """By where it was."""
    secrets: dict[str, list[str]] = field(default_factory=dict)
    """By what they are."""

    def found(self) -> Iterator[tuple[str, str]]:
        """Yield (secret, place) for every secret that is somewhere, in any encoding."""
        for name, secrets in self.secrets.items():
            forms = {form for secret in secrets for form in encodings(secret)}
            for where, text in self.texts.items():
                if any(form in text for form in forms):
                    yield name, where


def processes(place: Place) -> Iterator[tuple[str, bytes]]:
    """Yield the arguments and the environment of everything that runs at the place."""
    for pid in place.processes():
        with suppress(OSError):  # it ended in between
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            found = [(f"{file} of {name} {pid}", Path(f"/proc/{pid}/{file}").read_bytes()) for file in _SHOWN]
            yield from found


_SHOWN = ("cmdline", "environ")


def files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below ``root``."""
    for file in root.rglob("*"):
        if file.is_file() and not file.is_symlink():
            yield str(file.relative_to(root.parent)), file.read_bytes()


def telling_part(token: str) -> str:
    """Return the part of a token that is worth something: a JWT's signature, what follows an opaque one's name."""
    return token.rpartition(".")[2]


def on_the_wire(wire: Wire) -> Iterator[tuple[str, str]]:
    """Yield (kind, secret) for all that was given to anybody."""
    for part in wire.said():
        for kind, token in _TOKENS.findall(part):
            yield kind.decode(), telling_part(token.decode())
        for cookie in _SESSION.findall(part):
            if secret := telling_part(cookie.decode().strip('"')):  # signing out sends an empty one
                yield "session cookie", secret


def private_key_of(state_dir: Path) -> list[str]:
    """Return the private half of an agent's key as text, as JSON has it and as PEM files do."""
    der = load_key(enrolled(state_dir), state_dir, os.environ).private_der()
    jwk = ECKey.import_key(der).as_dict(private=True)
    return [str(jwk["d"]), urlsafe_b64decode(str(jwk["d"]) + "==").hex()]


def furnish(place: Place) -> None:
    """Put the secrets where they belong, with the public commands."""
    site = ("--site", "plant", "--site", "north")
    put = ("leasehold", "connections", "set")
    extra = place.home / "extra.json"
    extra.write_text(json.dumps({"api_key": MADE_UP["extra value"]}))
    place.command(
        *(*put, "plant_db", "--conn-type", "postgres", "--host", "db.plant.lan", "--login", "reader"),
        *("--password-file", "-", "--extra-file", str(extra), *site),
        stdin=MADE_UP["password"],
    )
    extra.unlink()
    uri = "postgres://reader:uri-p%40ss%2Fword-77@db.plant.lan/plant"
    place.command(*put, "by_uri", "--uri-file", "-", *site, stdin=uri)
    for name, reference in (("by_env", "env:PLANT_PASSWORD"), ("by_file", f"file:{place.home}/site-files/password")):
        place.command(*put, name, "--conn-type", "postgres", "--password-file", "-", *site, stdin=reference)
    place.command("leasehold", "variables", "set", "api_token", "--file", "-", stdin=MADE_UP["variable"])
