"""Service clients by command: made with a secret that is shown once, or with a key whose private half stays here."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import httpx
import respx
from joserfc.jwk import ECKey

from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.service_clients import IssuedServiceClient, ServiceClient, ServiceClientList
from tests.cli.answers import NOON, said
from tests.cli.conftest import Leasehold

CLIENTS = "/v1/teams/default/service-clients"
SECRET = "lhs_0123456789ab." + "a" * 43
CI = IssuedServiceClient(
    id="svc_1",
    name="ci",
    team="default",
    role=Role.AUTHOR,
    has_secret=True,
    created_by="token:operator-1",
    created_at=NOON,
    secret=SECRET,
)


def test_a_secret_is_shown_once_or_goes_into_a_file(author: Leasehold, api: respx.Router, tmp_path: Path) -> None:
    api.post(CLIENTS).mock(return_value=said(CI, 201))
    file = tmp_path / "ci.secret"

    shown = author("service-clients", "create", "ci")
    written = author("service-clients", "create", "ci", "--output", str(file), "--json")

    assert SECRET in shown.out
    assert "only now" in shown.out
    assert SECRET not in written.out + written.err
    assert file.read_text() == SECRET + "\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_private_key_is_never_sent(author: Leasehold, api: respx.Router, tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256")
    (tmp_path / "private.json").write_text(json.dumps(key.as_dict(private=True)))
    (tmp_path / "public.json").write_text(json.dumps(key.as_dict(private=False)))
    made = api.post(CLIENTS).mock(return_value=said(CI.model_copy(update={"secret": None, "has_secret": False}), 201))

    refused = author("service-clients", "create", "ci", "--public-key", str(tmp_path / "private.json"))
    taken = author("service-clients", "create", "ci", "--public-key", str(tmp_path / "public.json"))

    assert (refused.code, taken.code) == (2, 0)
    assert "private key" in refused.err
    assert made.call_count == 1
    assert "secret" not in taken.out


def test_the_list_says_what_each_client_is(author: Leasehold, api: respx.Router) -> None:
    plain = ServiceClient.model_validate(CI.model_dump())
    locked = plain.model_copy(update={"id": "svc_2", "name": "old", "locked_because": "its secret leaked"})
    ended = plain.model_copy(update={"id": "svc_3", "name": "gone", "expires_at": NOON - timedelta(days=900)})
    api.get(CLIENTS).mock(return_value=said(ServiceClientList(items=[plain, locked, ended])))

    listed = author("service-clients", "list")

    for fact in ("svc_1", "ci", "secret", "locked: its secret leaked", "expired"):
        assert fact in listed.out


def test_clients_are_locked_unlocked_rotated_and_removed(author: Leasehold, api: respx.Router) -> None:
    lock = api.post(f"{CLIENTS}/ci/lock").mock(return_value=said(CI))
    api.post(f"{CLIENTS}/ci/unlock").mock(return_value=said(CI))
    api.post(f"{CLIENTS}/ci/secret").mock(return_value=said(CI))
    api.delete(f"{CLIENTS}/ci").mock(return_value=httpx.Response(204))

    ended = [
        author("service-clients", "lock", "ci", "--reason", "leaked"),
        author("service-clients", "unlock", "ci"),
        author("service-clients", "rotate", "ci"),
        author("service-clients", "remove", "ci"),
    ]

    assert [one.code for one in ended] == [0] * 4
    assert json.loads(lock.calls.last.request.content) == {"reason": "leaked"}
    assert SECRET in ended[2].out
