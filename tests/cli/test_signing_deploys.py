"""Signing keys on a person's machine, and deploys that are signed with them."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import respx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from leasehold_protocol.signed.envelope import opened
from leasehold_protocol.signed.keys import public_bytes
from leasehold_protocol.signed.statement import is_about_manifest
from leasehold_protocol.v1.runs import DagDetail, DagVersion, DagVersionList, Deploy, DeployedDag
from leasehold_protocol.v1.signing import SignatureFacts
from tests.cli.answers import said
from tests.cli.conftest import Leasehold

DAG = """\
from leasehold import dag, shell


@dag
def report(day: str = "2026-11-02"):
    shell("echo {{ params.day }}", id="work")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.py"
    path.write_text(DAG)
    return path


@pytest.fixture
def key(leasehold: Leasehold, tmp_path: Path) -> Path:
    """A key without a passphrase."""
    path = tmp_path / "deploy.pem"
    assert leasehold("keys", "generate", str(path)).code == 0
    return path


def test_a_key_is_made_for_its_owner_only_and_its_public_half_printed(leasehold: Leasehold, tmp_path: Path) -> None:
    path = tmp_path / "deploy.pem"

    made = leasehold("keys", "generate", str(path))
    shown = leasehold("keys", "show", str(path))
    described = json.loads(leasehold("keys", "show", str(path), "--json").out)

    assert len(public_bytes(made.out.strip())) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shown.out == made.out
    assert described["key"] == made.out.strip()
    assert described["jwk"]["crv"] == "Ed25519"
    assert "d" not in described["jwk"]
    assert described["fingerprint"] in shown.err


def test_a_key_is_never_overwritten(leasehold: Leasehold, key: Path) -> None:
    before = key.read_bytes()

    again = leasehold("keys", "generate", str(key))

    assert again.code == 2
    assert "is there already" in again.err
    assert key.read_bytes() == before


def test_a_key_with_a_passphrase_opens_with_it_only(leasehold: Leasehold, tmp_path: Path) -> None:
    path, right, wrong, empty = (tmp_path / name for name in ("deploy.pem", "right", "wrong", "empty"))
    right.write_text("open sesame\n")
    wrong.write_text("open barley\n")
    empty.write_text("\n")
    made = leasehold("keys", "generate", str(path), "--passphrase-file", str(right))

    assert b"ENCRYPTED" in path.read_bytes()
    assert leasehold("keys", "show", str(path), "--passphrase-file", str(right)).out == made.out
    assert leasehold("keys", "show", str(path), "--passphrase-file", "-", stdin="open sesame\n").out == made.out
    assert "does not open" in leasehold("keys", "show", str(path), "--passphrase-file", str(wrong)).err
    assert "passphrase is empty" in leasehold("keys", "show", str(path), "--passphrase-file", str(empty)).err
    unattended = leasehold("keys", "show", str(path))
    assert unattended.code == 2
    assert "Add --passphrase-file" in unattended.err


def pem(key: Any, form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> bytes:
    return bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


ODD_KEYS = {
    "rsa": (pem(rsa.generate_private_key(65537, 2048)), "a key of another kind (RSA)"),
    "ec": (pem(ec.generate_private_key(ec.SECP256R1())), "a key of another kind"),
    "openssh": (
        pem(ed25519.Ed25519PrivateKey.generate(), serialization.PrivateFormat.OpenSSH),
        "is an OpenSSH key",
    ),
    "public": (
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        "holds no private key",
    ),
    "garbage": (b"\x00\xff garbage", "holds no private key"),
    "empty": (b"", "holds no private key"),
    "damaged": (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "damaged"),
}


@pytest.mark.parametrize("name", ODD_KEYS)
def test_an_odd_key_file_is_named_with_its_cure(leasehold: Leasehold, file: Path, tmp_path: Path, name: str) -> None:
    data, part = ODD_KEYS[name]
    path = tmp_path / "odd.pem"
    path.write_bytes(data)
    path.chmod(0o600)

    ended = leasehold("deploy", str(file), "--sign", str(path))

    assert ended.code == 2
    assert part in ended.err
    assert "leasehold keys generate" in ended.err


def test_a_key_that_others_may_read_signs_nothing(leasehold: Leasehold, file: Path, key: Path) -> None:
    key.chmod(0o640)

    ended = leasehold("deploy", str(file), "--sign", str(key))

    assert ended.code == 2
    assert f"chmod 600 {key}" in ended.err


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--sign", "KEY", "--valid-for", "soon"], "is not a duration"),
        (["--sign", "KEY", "--valid-for", "0s"], "nothing could run"),
        (["--sign", "KEY", "--valid-for", "999999999w"], "is not a duration"),
        (["--valid-for", "3d"], "Add --sign KEYFILE"),
        (["--sign", "/nowhere/key.pem"], "Cannot read /nowhere/key.pem"),
        (["--sign", "."], "Cannot read"),
    ],
)
def test_options_that_can_not_be_meant_are_refused_before_anything_is_sent(
    author: Leasehold, file: Path, key: Path, options: list[str], part: str
) -> None:
    ended = author("deploy", str(file), *(str(key) if each == "KEY" else each for each in options))

    assert ended.code == 2
    assert part in ended.err


def deployed(route: respx.Route) -> Deploy:
    return Deploy.model_validate_json(route.calls.last.request.content)


@pytest.fixture
def route(api: respx.Router) -> respx.Route:
    """Where deploys are sent."""
    answer = said(DeployedDag(dag="report", version=1), 201)
    return api.post(path__regex=r"/v1/teams/[^/]+/dags$").mock(return_value=answer)


def test_a_signed_deploy_is_signed_over_what_is_sent(
    author: Leasehold, route: respx.Route, file: Path, key: Path
) -> None:
    ended = author("deploy", str(file), "--sign", str(key), "--valid-for", "90d")

    deploy = deployed(route)
    assert deploy.signature is not None
    envelope = opened(deploy.signature)
    said_ = envelope.statement
    assert f"signed by {envelope.key}" in ended.out
    assert is_about_manifest(said_, deploy.manifest, team="default")
    assert said_.not_after == said_.signed_at + timedelta(days=90)
    assert abs(said_.signed_at - datetime.now(UTC)) < timedelta(minutes=5)
    ed25519.Ed25519PublicKey.from_public_bytes(public_bytes(envelope.key)).verify(envelope.signature, envelope.signed)


def test_the_key_may_be_a_setting_and_the_team_is_signed(
    author: Leasehold, route: respx.Route, file: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEASEHOLD_SIGNING_KEY", str(key))

    assert author("deploy", str(file), "--team", "plant").code == 0

    deploy = deployed(route)
    assert opened(deploy.signature or "").statement.team == "plant"


def test_without_a_key_nothing_is_signed(author: Leasehold, route: respx.Route, file: Path) -> None:
    assert author("deploy", str(file)).code == 0

    assert deployed(route).signature is None


def test_a_dag_shows_whose_signature_it_has(author: Leasehold, route: respx.Route, api: respx.Router, file: Path,
    key: Path) -> None:  # fmt: skip
    author("deploy", str(file), "--sign", str(key))
    deploy = deployed(route)
    envelope = opened(deploy.signature or "")
    facts = SignatureFacts(key=envelope.key, signed_at=envelope.statement.signed_at)
    detail = DagDetail(
        dag="report", version=1, tasks=1, deployed_at=facts.signed_at, deployed_by="ada", signed=facts,
        manifest=deploy.manifest,
    )  # fmt: skip
    api.get("/v1/teams/default/dags/report").mock(return_value=said(detail))

    listed = DagVersionList(items=[DagVersion(version=1, deployed_at=facts.signed_at, deployed_by="ada", signed=facts)])
    api.get("/v1/teams/default/dags/report/versions").mock(return_value=said(listed))

    assert f"by {envelope.key}" in author("dags", "show", "report").out
    assert f"by {envelope.key}" in author("dags", "versions", "report").out
    assert json.loads(author("dags", "show", "report", "--json").out)["signed"]["key"] == envelope.key
