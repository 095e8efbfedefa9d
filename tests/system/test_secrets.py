"""No secret is where others can read it: in no log, error, address, argument, environment or file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system import people_of_a_place as people
from tests.system.place import Place, open_place
from tests.system.programs import GaveUpError, free_port, until
from tests.system.secret_run import (
    DAGS,
    MADE_UP,
    Seen,
    files,
    furnish,
    on_the_wire,
    private_key_of,
    processes,
    telling_part,
)
from tests.system.wire import Wire, open_wire

pytestmark = pytest.mark.timeout(300)
"""The first test waits for the whole run, with a dozen commands, at debug level."""

BY_DESIGN = {
    ("key-encryption key", "api/keys/key-encryption-key"): "the one file that opens the others; 0600",
    ("platform admin's token", "api/bootstrap.token"): "how the first admin comes in; 0600",
}
STATE = ("api", "north-1", "plant-1")


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """All that the site, people and programs say to the API, and hear."""
    with open_wire() as wire:
        yield wire


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, wire: Wire) -> Iterator[Place]:
    """A place where everything is logged at debug and goes over the wire."""
    with people.refusing_provider() as provider, open_place(tmp_path_factory.mktemp("place")) as place:
        (place.home / "site-files").mkdir()
        (place.home / "site-files" / "password").write_text(MADE_UP["value of a file: reference"])
        (place.home / "oidc.secret").write_text(MADE_UP["OIDC client secret"])
        port = free_port()
        wire.forward_to(f"http://127.0.0.1:{port}")
        more = {
            "PLANT_PASSWORD": MADE_UP["value of an env: reference"],
            "LEASEHOLD_API_SECRET_ENV_PREFIX": "PLANT_",
            "LEASEHOLD_API_SECRET_FILES_DIR": str(place.home / "site-files"),
            "LEASEHOLD_API_OIDC_ISSUER": provider,
            "LEASEHOLD_API_OIDC_CLIENT_ID": "leasehold",
            "LEASEHOLD_API_OIDC_CLIENT_SECRET_FILE": str(place.home / "oidc.secret"),
        }
        place.serve("--public-url", wire.url, "--log-level", "debug", port=port, more=more)
        place.url = place.env["LEASEHOLD_URL"] = wire.url
        for site in ("north", "plant"):
            place.make_site(site)
            place.enroll(site, f"{site}-1")
            place.start_agent(f"{site}-1", "--slots", "4", "--log-level", "debug")
        yield place


@pytest.fixture(scope="module")
def seen(place: Place, wire: Wire) -> Seen:
    """Everything that may be read during and after a run in which every secret is used, and all the secrets."""
    seen = Seen(secrets={name: [secret] for name, secret in MADE_UP.items()})
    furnish(place)
    link = json.loads(
        place.command("leasehold", "users", "invite", "operator-1", "--role", "default=operator", "--json")
    )
    with people.browser_at(place) as browser:
        people.choose_password(browser, link["link"], MADE_UP["person's password"])
        run = _run(place, browser, seen)
    ended = place.finished(run)
    seen.secrets["sign-in link"] = [telling_part(link["link"])]
    seen.secrets["service client's secret"] = [telling_part(people.make_program(place))]
    seen.texts["the page about the provider"] = people.fail_at_provider(place).encode()
    seen.texts["errors of commands"] = _make_mistakes(place).encode()
    seen.texts["the run"] = json.dumps(ended, ensure_ascii=False).encode()
    assert {task["task"]: task["state"] for task in ended["tasks"]} == {
        "talkative": "success",
        "failing": "failed",
        "env": "success",
    }
    for task in ended["tasks"]:
        seen.texts[f"log of {task['task']}"] = place.log_of(task["attempts"][0]["attempt"])
    seen.texts["addresses of requests"] = wire.addresses()
    for root in ("logs", *STATE):
        seen.texts |= dict(files(place.home / root))
    seen.secrets |= _given_out(place, wire)
    return seen


def _run(place: Place, browser: httpx.Client, seen: Seen) -> str:
    place.deploy("telling", DAGS)
    gate = place.home / "gate"
    run = place.trigger("telling", gate=str(gate))
    for task in ("talkative", "env"):
        attempt = place.running(run, task)
        _wait_for_word(place, attempt, b"signing in" if task == "talkative" else b"LEASEHOLD_TASK_SECRET")
    people.login(place, browser)
    seen.texts |= dict(processes(place))
    for root in STATE:
        seen.texts |= {f"{where} during the run": text for where, text in files(place.home / root)}
    gate.touch()
    return run


def _wait_for_word(place: Place, attempt: str, word: bytes) -> None:
    try:
        until(lambda: word in place.log_of(attempt), f"{word!r} in its log", patience_s=20)
    except GaveUpError as error:
        raise AssertionError(f"{error}: {place.log_of(attempt)!r}") from None


def _make_mistakes(place: Place) -> str:
    """Run commands that fail with a secret in hand; return what they say."""
    (place.home / "mistyped.uri").write_text(MADE_UP["password in a URI"])
    (place.home / "wrong.json").write_text('{"api_key": "' + MADE_UP["extra value"] + '"')
    token = (place.home / "api" / "bootstrap.token").read_text().strip()
    (place.home / "wrong.token").write_text(token + "x")
    used = next(file.name for file in place.home.glob("north-*.token"))
    wrong_code = 2
    return "".join(
        (
            place.command("leasehold", "connections", "set", "c", "--uri-file", "mistyped.uri", code=wrong_code),
            place.command(
                *("leasehold", "connections", "set", "c", "--conn-type", "http", "--extra-file", "wrong.json"),
                code=wrong_code,
            ),
            place.command("leasehold", "login", place.url, "--token-file", "wrong.token", code=3),
            place.command("edge-agent", "enroll", place.url, "--token-file", used, "--state-dir", "late", code=4),
        )
    )


def _given_out(place: Place, wire: Wire) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, secret in on_the_wire(wire):
        found.setdefault(kind, []).append(secret)
    found["platform admin's token"] = [telling_part((place.home / "api" / "bootstrap.token").read_text().strip())]
    found["key-encryption key"] = [(place.home / "api" / "keys" / "key-encryption-key").read_text().strip()]
    found["enrolment token"] = [telling_part(file.read_text().strip()) for file in place.home.glob("*-*.token")]
    found["agent's private key"] = [text for name in STATE[1:] for text in private_key_of(place.home / name)]
    return found


def test_the_run_is_one_in_which_every_secret_was_used(seen: Seen, wire: Wire) -> None:
    said = b"".join(wire.said())

    assert seen.texts["log of talkative"].count(b"a secret is") == 7
    assert b"signing in" in seen.texts["log of talkative"]
    assert b"can't sign in with ***" in seen.texts["the run"]
    assert b"LEASEHOLD_TASK_SECRET=***" in seen.texts["log of env"]
    assert set(seen.secrets) == {
        *MADE_UP,
        *("access_token", "task_token", "refresh_token", "device_code", "session cookie"),
        *("sign-in link", "service client's secret", "platform admin's token", "enrolment token"),
        *("key-encryption key", "agent's private key"),
    }
    assert min(len(secret) for secrets in seen.secrets.values() for secret in secrets) >= 12
    assert [name for name in ("password", "value of an env: reference") if MADE_UP[name].encode() in said] != []
    kinds = Counter(where.partition(" ")[0] for where in seen.texts)
    assert kinds["environ"] >= 8, "API, agents, zygotes, hosts, tasks and a command"
    assert kinds["cmdline"] == kinds["environ"]


def test_no_secret_is_in_a_log_an_error_an_address_an_argument_an_environment_or_a_file(seen: Seen) -> None:
    found = {(secret, where.removesuffix(" during the run")) for secret, where in seen.found()}

    own_environment = {
        each for each in found if each[0] == "value of an env: reference" and "environ of leasehold-api" in each[1]
    }
    assert len(own_environment) == 1, "an admin puts it there, for the API's process alone"
    assert sorted(found - own_environment - set(BY_DESIGN)) == []
    assert set(BY_DESIGN) <= found, "the search finds what is there"


def test_the_secret_of_a_tasks_socket_is_in_no_log_and_in_no_other_tasks_environment(seen: Seen) -> None:
    environments = {where: text for where, text in seen.texts.items() if where.startswith("environ")}
    attempts: set[bytes] = set()
    owners: dict[bytes, set[bytes]] = {}  # a forked task's secret is not to be seen in /proc at all
    for text in environments.values():
        values = dict(entry.split(b"=", 1) for entry in text.split(b"\0") if b"=" in entry)
        if (attempt := values.get(b"LEASEHOLD_ATTEMPT")) is not None:
            attempts.add(attempt)
            if (secret := values.get(b"LEASEHOLD_TASK_SECRET")) is not None:
                owners.setdefault(secret, set()).add(attempt)

    elsewhere = [
        where for where, text in seen.texts.items() if where not in environments for one in owners if one in text
    ]

    assert len(attempts) == 2
    assert owners
    assert [shared for shared in owners.values() if len(shared) != 1] == []
    assert elsewhere == []


@pytest.mark.parametrize("sign", [b"PRIVATE KEY", b'"d":'], ids=["a PEM key", "a private JWK"])
def test_no_private_key_of_any_kind_is_in_the_clear(seen: Seen, sign: bytes) -> None:
    assert [where for where, text in seen.texts.items() if sign in text] == []


def test_no_process_of_ours_leaves_a_core_file(place: Place, seen: Seen) -> None:
    limits = {pid: Path(f"/proc/{pid}/limits").read_text() for pid in place.processes()}

    assert len(limits) >= 5
    assert [pid for pid, text in limits.items() if not _has_no_cores(text)] == []


def _has_no_cores(limits: str) -> bool:
    (line,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
    return line.split()[4] == "0"


def test_what_is_secret_on_disk_is_for_its_owner_only(place: Place, seen: Seen) -> None:
    loose = [
        str(file)
        for root in (place.home / name for name in STATE)
        for file in root.rglob("*")
        if file.is_file() and file.stat().st_mode & 0o077 and not _is_shielded(file, root)
    ]

    assert loose == []


def _is_shielded(file: Path, root: Path) -> bool:
    """Whether a directory above is closed to others."""
    between = [parent for parent in file.parents if parent == root or root in parent.parents]
    return any(parent.stat().st_mode & 0o077 == 0 for parent in between)
