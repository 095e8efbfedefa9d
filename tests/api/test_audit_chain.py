"""The rules of the hash chain, without a database."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from leasehold_api.audit.chain import GENESIS, Break, hash_of, sealed, walk
from leasehold_api.audit.trail import without_secrets
from leasehold_protocol.v1.audit import AuditRow

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def row(seq: int, previous_hash: str, **fields: object) -> AuditRow:
    """Return a sealed row."""
    written = {"id": f"aud_{seq}", "at": NOON, "actor": "token:ci", "action": "site.created", "object": "north"}
    message = {**written, "result": "done", **fields, "seq": seq, "previous_hash": previous_hash, "hash": GENESIS}
    return sealed(AuditRow.model_validate(message))


def chain(length: int = 5) -> list[AuditRow]:
    """Return a chain."""
    made: list[AuditRow] = []
    for seq in range(1, length + 1):
        made.append(row(seq, made[-1].hash if made else GENESIS))
    return made


def test_the_hash_of_a_row_stays_what_it_was() -> None:
    # Exports are kept for years: with another hash they would no longer verify.
    first = row(1, GENESIS, team_id="team_1", address="192.0.2.1", detail={"b": ["ü", 1.5, None], "a": True})

    canonical = (
        r'{"action":"site.created","actor":"token:ci","address":"192.0.2.1","at":"2026-11-22T12:00:00.000000Z",'
        r'"detail":{"a":true,"b":["\u00fc",1.5,null]},"id":"aud_1","object":"north","result":"done","seq":1,'
        r'"team_id":"team_1"}'
    )
    assert first.hash == hashlib.sha256(f"{GENESIS}\n{canonical}".encode()).hexdigest()


def test_a_row_replaced_and_hashed_anew_does_not_fit_its_neighbours() -> None:
    rows = chain()
    rows[2] = row(3, rows[1].hash, actor="token:somebody-else")

    broken = walk(rows).broken

    assert broken is not None
    assert (broken.seq, broken.kind) == (4, Break.REPLACED)


def test_a_chain_made_anew_lacks_the_head_that_was_noted() -> None:
    noted = chain()[-1].hash
    anew = [row(1, GENESIS, actor="token:somebody-else")]

    broken = walk(anew, noted=noted).broken

    assert broken is not None
    assert broken.kind is Break.CUT


@given(
    st.integers(0, 4), st.sampled_from(["actor", "action", "object", "result", "address", "team_id", "id"]), st.text()
)
def test_any_change_of_any_field_is_found_where_it_is(position: int, field: str, value: str) -> None:
    rows = chain()
    changed = rows[position].model_copy(update={field: value})
    same = changed == rows[position]
    rows[position] = changed

    broken = walk(rows).broken

    assert (broken is None) == same
    assert broken is None or (broken.seq, broken.kind) == (position + 1, Break.CHANGED)


@given(st.permutations(range(5)))
def test_any_other_order_is_found(order: list[int]) -> None:
    rows = chain()

    broken = walk([rows[place] for place in order]).broken

    assert (broken is None) == (order == sorted(order))


def test_the_zone_of_a_time_does_not_matter() -> None:
    first = row(1, GENESIS)
    elsewhere = first.model_copy(update={"at": NOON.astimezone(datetime.now().astimezone().tzinfo)})

    assert hash_of(elsewhere) == first.hash
    assert hash_of(first.model_copy(update={"at": NOON + timedelta(microseconds=1)})) != first.hash


def test_names_stay_and_secrets_go() -> None:
    assert without_secrets("sites/plant.north/api-tokens/lht_0123456789ab") == (
        "sites/plant.north/api-tokens/lht_0123456789ab"
    )
    assert without_secrets("enr_0123456789ab.c2VjcmV0LXNlY3JldA") == "enr_0123456789ab.***"
