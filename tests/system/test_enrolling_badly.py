"""What is in the way of an enrolment or of a start, at real processes: each ends in a message with its cure."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.support.certificates import Authority
from tests.support.proxy_server import ProxyServer
from tests.system.place import Place, open_place
from tests.system.programs import free_port, until

USAGE, NOT_ENROLLED, UNREACHABLE, KEY_STORE = 2, 3, 5, 8
SETTINGS = 3
needs_faketime = pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Path]]:
    """A place whose service speaks TLS with a certificate of a private authority, and that authority's file."""
    home = tmp_path_factory.mktemp("secured")
    authority = Authority()
    authority.write(home / "ca.pem")
    with open_place(home) as place:
        port = free_port()
        certificate = str(authority.issue(home))
        api = place.start(
            "api", "leasehold-api", "serve", "--port", str(port), "--state-dir", "api", "--tls-cert", certificate
        )
        until(lambda: "ready" in api.said() or not api.is_alive, "the service is ready")
        token = home / "api/bootstrap.token"
        place.url = f"https://127.0.0.1:{port}"
        place.client = httpx.Client(
            base_url=place.url,
            trust_env=False,
            headers={"Authorization": f"Bearer {token.read_text().strip()}"},
            verify=ssl.create_default_context(cafile=str(home / "ca.pem")),
        )
        place.env |= {
            "LEASEHOLD_URL": place.url,
            "LEASEHOLD_TOKEN_FILE": str(token),
            "SSL_CERT_FILE": str(home / "ca.pem"),
        }
        place.make_site("north")
        place.env.pop("SSL_CERT_FILE")
        yield place, home / "ca.pem"


def token_of(place: Place, ca_file: Path) -> str:
    """Issue a token with the command line, which has to know the authority."""
    place.env["SSL_CERT_FILE"] = str(ca_file)
    file = place.issue_token("north")
    place.env.pop("SSL_CERT_FILE")
    return file


def enroll(
    place: Place, token: str, name: str, *flags: str, more: Mapping[str, str] | None = None, code: int = 0
) -> str:
    """Enrol, in an environment that has ``more``."""
    before, place.env = place.env, place.env | dict(more or {})
    argv = ("edge-agent", "enroll", place.url, "--token-file", token, "--name", name, "--state-dir", name)
    said = place.command(*argv, *flags, code=code)
    place.env = before
    return said


def test_a_private_authority_is_named_by_a_flag_that_the_next_command_repeats(secured: tuple[Place, Path]) -> None:
    place, ca_file = secured
    token = token_of(place, ca_file)

    unknown = enroll(place, token, "private-1", code=UNREACHABLE)
    said = enroll(place, token, "private-1", "--ca-file", str(ca_file))

    assert "--ca-file" in unknown
    (start,) = [line.partition("Start it:")[2].strip() for line in said.splitlines() if "Start it:" in line]
    assert start == f"edge-agent run --state-dir private-1 --ca-file {ca_file}".replace(
        "private-1 ", f"{place.home / 'private-1'} "
    )
    doctor = place.command(*next(line for line in said.splitlines() if "Is all well?" in line).split()[3:])
    assert "no problems" in doctor


def test_a_proxy_that_needs_a_password_is_named_with_how_to_give_it_and_the_password_is_shown_nowhere(
    secured: tuple[Place, Path],
) -> None:
    place, ca_file = secured
    token = token_of(place, ca_file)
    proxy = ProxyServer(user="site", password="Geheim-7")
    without = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "", "LEASEHOLD_AGENT_CA_FILE": str(ca_file)}
    wrong = without | {"HTTPS_PROXY": f"http://site:Geheim-8@127.0.0.1:{proxy.port}"}
    right = without | {"HTTPS_PROXY": f"http://site:Geheim-7@127.0.0.1:{proxy.port}"}

    refused = [enroll(place, token, "proxied-1", more=each, code=UNREACHABLE) for each in (without, wrong)]
    before, place.env = place.env, place.env | wrong
    doctor = place.command("edge-agent", "doctor", place.url, "--state-dir", "proxied-1", code=1)
    place.env = before | right
    enrolled = place.command("edge-agent", "enroll", place.url, "--token-file", token, "--state-dir", "proxied-1")
    content = place.command("edge-agent", "doctor", "--state-dir", "proxied-1")
    place.env = before
    proxy.close()

    for said in (*refused, doctor):
        assert "407" in said
        assert "HTTPS_PROXY=http://NAME:PASSWORD@host:port" in said
    assert "no problems" in content
    assert "Geheim" not in "".join((*refused, doctor, enrolled, content))
    assert proxy.let_through > 0
    assert proxy.turned_away > 0


@needs_faketime
def test_a_clock_in_1970_is_the_cause_that_is_named(secured: tuple[Place, Path]) -> None:
    place, ca_file = secured
    token = token_of(place, ca_file)
    clock = faketime("1970-01-02 00:00:00") | {"LEASEHOLD_AGENT_CA_FILE": str(ca_file)}

    enrolling = enroll(place, token, "early-1", more=clock, code=UNREACHABLE)
    before, place.env = place.env, place.env | clock
    doctor = place.command("edge-agent", "doctor", place.url, "--state-dir", "early-1", code=1)
    place.env = before
    later = enroll(place, token, "early-1", "--ca-file", str(ca_file))

    assert "this machine's clock" in enrolling
    assert "timedatectl" in enrolling
    assert "Correct this machine's clock." in doctor
    assert "Enrolled as early-1" in later, "the token was not spent"


def faketime(at: str) -> dict[str, str]:
    """Return the environment of a program whose clock is set to a time."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return {"LD_PRELOAD": str(library), "FAKETIME": f"@{at}", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}


@pytest.mark.parametrize("point", ["enrol.key-kept", "enrol.registered"])
def test_an_interrupted_enrolment_is_typed_again_with_the_same_token(api: Place, point: str) -> None:
    name, token = point.replace(".", "-"), api.issue_token("north")

    enroll(api, token, name, more={"LEASEHOLD_FAULT_POINT": point}, code=-9)
    started = api.command("edge-agent", "run", "--state-dir", name, code=NOT_ENROLLED)
    doctor = api.command("edge-agent", "doctor", api.url, "--state-dir", name)
    again = enroll(api, token, name)

    assert "an enrolment began here but did not finish" in started
    assert "edge-agent enroll" in started
    assert "an enrolment began here and did not finish" in doctor
    assert f"Enrolled as {name} of site north" in again
    assert [agent["name"] for agent in api.get("agents")["items"]].count(name) == 1
    assert "no problems, no warnings" in api.command("edge-agent", "doctor", "--state-dir", name)


def test_a_key_store_that_vanished_stops_the_agent_and_no_other_key_is_made(api: Place) -> None:
    api.enroll("north", "keyless-1")
    (keys,) = (path for path in (api.home / "keyless-1").iterdir() if path.is_dir() and "key" in path.name)
    shutil.rmtree(keys)

    started = api.command("edge-agent", "run", "--state-dir", "keyless-1", code=KEY_STORE)
    doctor = api.command("edge-agent", "doctor", "--state-dir", "keyless-1", code=1)

    for said in (started, doctor):
        assert "key" in said
        assert "lock this agent in the API and enrol it anew" in said
    assert not keys.exists() or not list(keys.glob("agent-*"))


@pytest.mark.parametrize("content", [b"slots = [", b"\xff\xfe\x00", None], ids=["not TOML", "no text", "a directory"])
def test_an_unreadable_configuration_is_named_by_both_programs(
    api: Place, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "settings.toml"
    file.mkdir() if content is None else file.write_bytes(content)
    before, api.env = api.env, api.env | {"LEASEHOLD_AGENT_CONFIG": str(file), "LEASEHOLD_API_CONFIG": str(file)}

    said = [
        api.command("edge-agent", "run", "--state-dir", "any", code=USAGE),
        api.command("edge-agent", "enroll", api.url, "--token-file", "-", code=USAGE),
        api.command("edge-agent", "doctor", code=1),
        api.command("leasehold-api", "serve", "--state-dir", "other", code=SETTINGS),
        api.command("leasehold-api", "doctor", "--state-dir", "other", code=1),
    ]
    api.env = before

    for each in said:
        assert str(file) in each
        assert "Traceback" not in each
        assert "correct" in each.lower()
