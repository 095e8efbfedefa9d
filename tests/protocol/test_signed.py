"""How a DAG is signed: one text for one meaning, a tree that proves each task, an envelope without choices."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from leasehold_protocol.signed.canonical import canonical
from leasehold_protocol.signed.envelope import EnvelopeError, opened, seal
from leasehold_protocol.signed.keys import base64url, key_fingerprint, key_line, public_bytes, public_jwk
from leasehold_protocol.signed.statement import is_about_manifest, misfits, statement_about, tree_of
from leasehold_protocol.signed.tree import Tree, leaf, root_by
from leasehold_protocol.v1.manifest import Manifest, TaskEntry
from leasehold_protocol.v1.signing import SignedTask

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""Of RFC 8032, 7.1, test 1; RFC 8037, appendix A has it as a JWK."""
KEY = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
LINE = key_line(PUBLIC)
REPORT: dict[str, Any] = {
    "dag": "report",
    "bundle": "ab" * 32,
    "requires_python": ">=3.11",
    "tasks": [
        {
            "id": name,
            "work": {
                "kind": "python",
                "module": "report",
                "function": name,
                "args": [{"kind": "template", "text": "{{ ds }}"}, {"kind": "literal", "value": {"ü": [1, 2.0, None]}}],
            },
            "needs": {"connections": ["plant_db"]},
        }
        for name in ("read", "clean", "store")
    ],
}


def verify(key: bytes, signature: bytes, data: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except InvalidSignature:
        return False
    return True


def changed(path: str, value: Any) -> Manifest:
    """Return the report with one thing changed."""
    document = json.loads(json.dumps(REPORT))
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = document
    for part in way:
        place = place[part]
    place[last] = value
    return Manifest.model_validate(document)


MANIFEST = Manifest.model_validate(REPORT)
SAID = statement_about(MANIFEST, team="default", signed_at=NOW)


def test_the_canonical_text_is_written_down() -> None:
    entry = TaskEntry.model_validate(
        {"id": "a", "work": {"kind": "program", "argv": [{"kind": "literal", "value": "é"}], "shell": False}}
    )

    assert canonical(entry) == (b'{"id":"a","work":{"argv":[{"kind":"literal","value":"\\u00e9"}],"kind":"program"}}')


def test_a_default_that_is_said_and_one_that_is_not_are_the_same_text() -> None:
    short = TaskEntry.model_validate(REPORT["tasks"][0])
    long = TaskEntry.model_validate_json(short.model_dump_json())

    assert canonical(long) == canonical(short)


def test_a_field_that_a_newer_protocol_brings_changes_no_text_while_it_has_its_default() -> None:
    class NewerEntry(TaskEntry):
        pool: str = "default"

    old, new = TaskEntry.model_validate(REPORT["tasks"][0]), NewerEntry.model_validate(REPORT["tasks"][0])

    assert canonical(new) == canonical(old)
    assert canonical(NewerEntry.model_validate(REPORT["tasks"][0] | {"pool": "x"})) != canonical(old)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_can_not_say_is_not_signed(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical(TaskEntry.model_validate({"id": "a", "work": {"kind": "python", "module": "m", "function": "f",
            "args": [{"kind": "literal", "value": value}]}}))  # fmt: skip


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_the_way_over_the_wire_and_through_the_database_keeps_the_text(value: Any) -> None:
    entry = TaskEntry.model_validate({"id": "a", "work": {"kind": "python", "module": "m", "function": "f",
        "args": [{"kind": "literal", "value": value}]}})  # fmt: skip

    there = TaskEntry.model_validate_json(entry.model_dump_json())

    assert canonical(TaskEntry.model_validate_json(there.model_dump_json())) == canonical(there)


def test_small_trees_are_those_of_the_rfc() -> None:
    a, b, c = (leaf(name.encode()) for name in "abc")
    ab = hashlib.sha256(b"\1" + a + b).digest()

    assert Tree([a]).root == a == hashlib.sha256(b"\0a").digest()
    assert Tree([a, b, c]).root == hashlib.sha256(b"\1" + ab + c).digest()


@given(st.integers(1, 70), st.data())
def test_a_path_proves_its_own_leaf_at_its_own_place_and_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = [leaf(str(number).encode()) for number in range(size)]
    tree = Tree(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = tree.path(index)

    assert root_by(path, leaves[index], index=index, size=size) == tree.root
    assert root_by(path, leaf(b"other"), index=index, size=size) != tree.root
    assert root_by([*path, leaves[0]], leaves[index], index=index, size=size) is None
    assert root_by(path, leaves[index], index=size, size=size) is None
    if path:
        assert root_by(path[:-1], leaves[index], index=index, size=size) != tree.root
        assert all(root_by(path, leaves[index], index=other, size=size) != tree.root
                   for other in range(size) if other != index)  # fmt: skip


def test_twenty_thousand_tasks_need_a_path_of_fifteen() -> None:
    tree = Tree([bytes([number % 256]) * 32 for number in range(20_000)])

    assert max(len(tree.path(index)) for index in (0, 9_999, 19_999)) == 15


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tasks/1/work/function", "steal"),
        ("tasks/1/work/args/0/text", "{{ params.x }}"),
        ("tasks/1/work/args/1/value", {"ü": [1, 2.5, None]}),
        ("tasks/1/needs/connections", ["plant_db", "hr_db"]),
        ("tasks/1/retries", 3),
        ("tasks/1/timeout_s", 5.0),
        ("tasks/1/id_tokens", ["bank"]),
        ("tasks/1/id", "other"),
    ],
)
def test_a_task_that_was_changed_is_found_by_who_has_only_the_task(path: str, value: Any) -> None:
    proof = SignedTask(signature="-", index=1, path=[each.hex() for each in tree_of(MANIFEST.tasks).path(1)])
    where = {"team": "default", "dag": "report", "bundle": "ab" * 32}
    task = changed(path, value).tasks[1]

    assert misfits(SAID, proof, MANIFEST.tasks[1], **where) == []
    assert misfits(SAID, proof, task, **where) == [f"the task {task.id}"]


@pytest.mark.parametrize(
    ("path", "value"),
    [("bundle", "cd" * 32), ("requires_python", ">=3.12"), ("dependencies", ["x"]), ("description", "x"), ("dag", "x"),
     ("lock", "cd" * 32), ("wheels", [{"name": "x-1.whl", "sha256": "cd" * 32}])],
)  # fmt: skip
def test_a_manifest_that_was_changed_is_another_one(path: str, value: Any) -> None:
    assert is_about_manifest(SAID, MANIFEST, team="default")
    assert not is_about_manifest(SAID, changed(path, value), team="default")
    assert not is_about_manifest(SAID, MANIFEST, team="other")


def test_the_environment_has_a_hash_of_its_own() -> None:
    assert (
        statement_about(changed("dependencies", ["x"]), team="default", signed_at=NOW).environment != SAID.environment
    )


def test_what_is_sealed_opens_and_fits_its_key_only() -> None:
    sealed = seal(SAID, key=LINE, sign=KEY.sign)
    envelope = opened(sealed)

    assert (envelope.key, envelope.statement) == (LINE, SAID)
    assert envelope.fits(verify)
    other = Ed25519PrivateKey.generate()
    assert not opened(seal(SAID, key=LINE, sign=other.sign)).fits(verify)


def test_any_library_for_jws_understands_it() -> None:
    from joserfc import jws
    from joserfc.jwk import OKPKey

    sealed = seal(SAID, key=LINE, sign=KEY.sign)

    read = jws.deserialize_compact(sealed, OKPKey.import_key(public_jwk(LINE)), algorithms=["Ed25519"])

    assert json.loads(read.payload)["tasks_root"] == SAID.tasks_root


def encoded(document: object) -> str:
    return base64url(json.dumps(document, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": LINE, "typ": "leasehold-dag+jws"},
        {"alg": "HS256", "kid": LINE, "typ": "leasehold-dag+jws"},
        {"alg": "Ed25519", "kid": LINE, "typ": "JWT"},
        {"alg": "Ed25519", "kid": LINE, "typ": "leasehold-dag+jws", "crit": ["x"]},
        {"alg": "Ed25519", "kid": "plant", "typ": "leasehold-dag+jws"},
        {"alg": "Ed25519", "kid": 7, "typ": "leasehold-dag+jws"},
        {"alg": "Ed25519", "typ": "leasehold-dag+jws"},
        [],
    ],
)
def test_another_header_is_not_understood(header: object) -> None:
    _, payload, signature = seal(SAID, key=LINE, sign=KEY.sign).split(".")

    with pytest.raises(EnvelopeError):
        opened(f"{encoded(header)}.{payload}.{signature}")


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "..", "é.é.é", "a.b.c.d", "[[[[.x.y", "W10.W10.W10"])
def test_garbage_is_no_signature(text: str) -> None:
    with pytest.raises(EnvelopeError):
        opened(text)


def test_a_statement_of_a_version_to_come_is_not_understood() -> None:
    header, _, signature = seal(SAID, key=LINE, sign=KEY.sign).split(".")
    later = SAID.model_dump(mode="json") | {"statement_version": 2}

    with pytest.raises(EnvelopeError, match="known version"):
        opened(f"{header}.{encoded(later)}.{signature}")


def test_a_key_has_one_line_a_jwk_and_the_thumbprint_of_the_rfc() -> None:
    assert LINE == "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert public_bytes(LINE) == PUBLIC
    assert public_jwk(LINE)["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    # RFC 8037, A.3: kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k
    assert key_fingerprint(LINE).startswith("SHA256:SD5M-V7V")


@pytest.mark.parametrize(
    "line", ["", "ed25519:", LINE + "x", LINE[:-1] + "p", LINE.upper(), "rsa:" + LINE[8:], LINE + "\n"]
)
def test_another_line_is_no_key(line: str) -> None:
    with pytest.raises(ValueError, match="ed25519"):
        public_bytes(line)
