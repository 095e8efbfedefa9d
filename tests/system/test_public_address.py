"""The way to the service as operators build it: a real nginx with our example, and the service's own TLS."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from tests.support.certificates import Authority
from tests.system.place import Place, open_place
from tests.system.programs import Program, free_port, until

EXAMPLE = (Path(__file__).parents[2] / "packaging/api/nginx.conf").read_text(encoding="utf-8")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
MAIN = """\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log nginx.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    {temporary}
    {server}
}}
"""
DAGS = """\
from leasehold import dag, shell


@dag
def greeting():
    shell("echo hello", id="hello")
"""
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Path]:
    """A private certificate authority, and its certificate's file."""
    authority, file = Authority(), tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.write(file)
    return authority, file


def start_nginx(place: Place, name: str, *, port: int, target: int, certificate: Path, **changed: str) -> Program:
    """Start nginx with our example, on free ports; ``changed`` are directives with other values."""
    folder = place.home / name
    folder.mkdir()
    server = EXAMPLE.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace(
        "127.0.0.1:8420", f"127.0.0.1:{target}"
    )
    server = re.sub(r"(ssl_certificate(_key)?) .*;", rf"\1 {certificate};", server)
    for directive, value in changed.items():
        server, count = re.subn(rf"\b{directive} .*;", f"{directive} {value};", server)
        assert count, directive
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n    ".join(f"{kind}_temp_path {kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(MAIN.format(temporary=temporary, server=server))
    program = place.start(name, str(NGINX), "-p", str(folder), "-c", "nginx.conf", "-e", "nginx.log")

    def answers() -> bool:
        assert program.is_alive, program.said()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    until(answers, f"{name} listens")
    return program


def doctor(place: Place, *flags: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """Return what the doctor finds, by what was looked at."""
    said = place.command("leasehold-api", "doctor", "--state-dir", "api", "--json", *flags, code=code)
    return {finding["check"]: finding for finding in json.loads(said)}


@pytest.fixture(scope="module")
def proxied(authority: tuple[Authority, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, str]]:
    """A place whose service is reached through nginx, and its public address."""
    signer, ca_file = authority
    home = tmp_path_factory.mktemp("proxied")
    with open_place(home) as place:
        front, back = free_port(), free_port()
        certificate = signer.issue(home)
        start_nginx(place, "front", port=front, target=back, certificate=certificate)
        url = f"https://127.0.0.1:{front}"
        polls = {"LEASEHOLD_API_POLL_WAIT_S": "2", "LEASEHOLD_API_KEEPALIVE_S": "1"}
        place.serve("--public-url", url, port=back, more=polls)
        place.env |= {"SSL_CERT_FILE": str(ca_file), "LEASEHOLD_AGENT_CA_FILE": str(ca_file), **polls}
        place.make_site("north")
        yield place, url


@needs_nginx
def test_an_agent_gets_its_leases_on_a_stream_through_nginx(proxied: tuple[Place, str]) -> None:
    place, url = proxied
    place.enroll("north", "pushed-1", url=url)
    agent = place.start_agent("pushed-1", more={"LEASEHOLD_AGENT_LINK": "push"})
    place.deploy("dags", DAGS)

    assert place.run_dag("greeting")["state"] == "success"
    shown = json.loads(place.command("edge-agent", "status", "--json", "--state-dir", "pushed-1"))
    assert (shown["way"], shown["reasons"]) == ("push", [])
    agent.terminate()
    agent.ended()


@needs_nginx
def test_an_agent_asks_for_its_leases_through_nginx_longer_than_one_poll_lasts(proxied: tuple[Place, str]) -> None:
    place, url = proxied
    place.enroll("north", "pulled-1", url=url)
    agent = place.start_agent("pulled-1", more={"LEASEHOLD_AGENT_LINK": "pull"})
    place.deploy("dags", DAGS)

    runs = [place.run_dag("greeting") for _ in range(2)]

    assert {run["state"] for run in runs} == {"success"}
    said = place.command("edge-agent", "doctor", "--state-dir", "pulled-1")
    assert "no problems" in said
    agent.terminate()
    agent.ended()


@needs_nginx
def test_the_doctor_is_content_with_our_example_and_waits_as_long_as_an_agent(proxied: tuple[Place, str]) -> None:
    place, url = proxied

    found = doctor(place, "--public-url", url, "--patient")

    # The test's certificate is good for a day, which is worth a warning.
    assert [name for name, finding in found.items() if finding["verdict"] != "ok"] == ["tls"]
    assert found["long polls"]["text"] == "a request may wait 2 s, as agents' do"
    assert "seen as 127.0.0.1" in found["caller"]["text"]
    assert "good until" in found["tls"]["text"]


@needs_nginx
@pytest.mark.parametrize(
    ("changed", "check", "says"),
    [
        ({"proxy_buffering": "on"}, "streams", "proxy_buffering off"),
        ({"proxy_read_timeout": "1500ms"}, "long polls", "proxy_read_timeout 75s"),
    ],
    ids=["holds answers back", "cuts requests that wait"],
)
def test_a_proxy_that_agents_would_suffer_from_is_found_with_the_cure(
    proxied: tuple[Place, str], authority: tuple[Authority, Path], changed: dict[str, str], check: str, says: str
) -> None:
    place, _ = proxied
    port, target = free_port(), int(str(place.url).rpartition(":")[2])
    certificate = next(place.home.glob("good.pem"))
    # The service asks nginx itself not to hold back; a proxy that does so takes no such advice.
    ignored = {"proxy_http_version": "1.1;\n        proxy_ignore_headers X-Accel-Buffering"}
    start_nginx(
        place, f"bad-{check.replace(' ', '-')}", port=port, target=target, certificate=certificate, **changed, **ignored
    )

    found = doctor(place, "--public-url", f"https://127.0.0.1:{port}", "--patient", code=1)

    bad = {name: finding for name, finding in found.items() if finding["verdict"] == "problem"}
    assert set(bad) == {check}
    assert says in bad[check]["cure"]


@needs_nginx
def test_a_service_that_is_away_and_a_certificate_that_nobody_trusts_are_told_apart(
    proxied: tuple[Place, str],
) -> None:
    place, url = proxied
    port = free_port()
    start_nginx(place, "nowhere", port=port, target=free_port(), certificate=next(place.home.glob("good.pem")))

    away = doctor(place, "--public-url", f"https://127.0.0.1:{port}", code=1)
    place.env.pop("SSL_CERT_FILE")
    strange = doctor(place, "--public-url", url, code=1)
    place.env["SSL_CERT_FILE"] = place.env["LEASEHOLD_AGENT_CA_FILE"]

    assert "can't reach this service (502)" in away["way"]["text"]
    assert "is not trusted here" in strange["tls"]["text"]
    assert "SSL_CERT_FILE" in strange["tls"]["cure"]


# Without a proxy.


@pytest.fixture
def own(authority: tuple[Authority, Path], tmp_path: Path) -> Iterator[tuple[Place, Program, str, socket.socket]]:
    """A place whose service speaks TLS itself, its program, its address, and where it tells systemd how it stands."""
    signer, ca_file = authority
    with open_place(tmp_path) as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        certificate, port = signer.issue(tmp_path), free_port()
        url = f"https://127.0.0.1:{port}"
        more = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        argv = ("serve", "--state-dir", "api", "--port", str(port), "--tls-cert", str(certificate))
        api = place.start("api", "leasehold-api", *argv, more=more)
        assert systemd.recv(4096).decode() == f"READY=1\nSTATUS=Serving {url}"
        place.url = url
        token = tmp_path / "api/bootstrap.token"
        place.client = httpx.Client(
            base_url=url,
            trust_env=False,
            timeout=30,
            headers={"Authorization": f"Bearer {token.read_text().strip()}"},
            verify=ssl.create_default_context(cafile=str(ca_file)),
        )
        place.env |= {
            "LEASEHOLD_URL": url,
            "LEASEHOLD_TOKEN_FILE": str(token),
            "SSL_CERT_FILE": str(ca_file),
            "LEASEHOLD_AGENT_CA_FILE": str(ca_file),
        }
        yield place, api, url, systemd


def shown_serial(url: str, ca_file: str) -> int:
    """Return the serial number of the certificate that is shown."""
    context = ssl.create_default_context(cafile=ca_file)
    host, port = url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as line:
        return x509.load_der_x509_certificate(line.getpeercert(binary_form=True) or b"").serial_number


def test_the_service_speaks_tls_itself_renews_its_certificate_and_tells_systemd(
    own: tuple[Place, Program, str, socket.socket], authority: tuple[Authority, Path]
) -> None:
    place, api, url, systemd = own
    place.make_site("north")
    place.enroll("north", "north-1")
    place.start_agent("north-1")
    place.deploy("dags", DAGS)

    assert place.run_dag("greeting")["state"] == "success"
    before = shown_serial(url, place.env["SSL_CERT_FILE"])
    good = (place.home / "good.pem").read_bytes()
    (place.home / "good.pem").write_bytes(good[: len(good) // 2])
    api.signal(signal.SIGHUP)
    assert [systemd.recv(4096).decode().partition("\n")[0] for _ in range(2)] == ["RELOADING=1", "READY=1"]
    assert shown_serial(url, place.env["SSL_CERT_FILE"]) == before, "half a renewal changes nothing"
    assert "the old one stays" in api.said()
    authority[0].issue(place.home)
    api.signal(signal.SIGHUP)
    assert [systemd.recv(4096).decode().partition("\n")[0] for _ in range(2)] == ["RELOADING=1", "READY=1"]
    assert shown_serial(url, place.env["SSL_CERT_FILE"]) != before
    assert place.run_dag("greeting")["state"] == "success"
    found = doctor(place, "--public-url", url)
    assert found["way"]["verdict"] == "ok"
    assert found["tls"]["verdict"] == "warning", "it is good for a day only"
    api.terminate()
    assert systemd.recv(4096).decode() == "STOPPING=1"


@pytest.mark.parametrize(
    ("cert", "key", "says"),
    [
        ("missing.pem", None, "missing.pem can't be read: No such file or directory"),
        ("text.pem", None, "text.pem can't be used with the key in text.pem"),
        ("good.pem", "other.pem", "key values mismatch"),
    ],
    ids=["missing", "not a certificate", "another's key"],
)
def test_a_certificate_that_can_not_be_used_is_named_with_the_cure(
    authority: tuple[Authority, Path], tmp_path: Path, cert: str, key: str | None, says: str
) -> None:
    (tmp_path / "text.pem").write_text("no certificate\n")
    authority[0].issue(tmp_path).rename(tmp_path / "other.pem")
    authority[0].issue(tmp_path)
    argv = ["serve", "--port", "0", "--tls-cert", cert, *([] if key is None else ["--tls-key", key])]
    with open_place(tmp_path) as place:
        said = place.command("leasehold-api", *argv, code=3)

    assert says in said
    assert "tls_cert_file" in said


def test_the_unit_file_has_nothing_that_systemd_does_not_know(tmp_path: Path) -> None:
    if (verify := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "leasehold-api.service"
    text = (Path(__file__).parents[2] / "packaging/api/leasehold-api.service").read_text()
    unit.write_text(text.replace("/opt/leasehold/bin/leasehold-api", "/bin/true"))

    done = subprocess.run([verify, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60)

    assert "leasehold-api.service" not in done.stderr, done.stderr
