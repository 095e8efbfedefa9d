"""Values between tasks survive the way there, or are refused with the place where they sit."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.runtime.values import ValueNotSupportedError, decode, encode, plain

OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | OFFSETS)
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.sampled_from([Path("a/b"), Path("/")])
)
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
KEYS = TEXTS | st.sampled_from(["$type", "value"])
VALUES = st.recursive(
    SCALARS | st.sets(HASHABLE, max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_survives_the_way_through_json(value: object) -> None:
    travelled = json.loads(json.dumps(encode(value), allow_nan=False))

    arrived = decode(travelled)

    assert arrived == value
    assert repr(type(arrived)) == repr(type(value))


@given(VALUES)
def test_plain_data_is_json_without_tags_of_ours(value: object) -> None:
    data = plain(value)

    assert json.loads(json.dumps(data, allow_nan=False)) == data


TAGS = [
    "dict",
    "tuple",
    "set",
    "frozenset",
    "datetime",
    "date",
    "time",
    "timedelta",
    "decimal",
    "uuid",
    "path",
    "bytes",
    "colour",
]
FOREIGN = st.recursive(
    st.none() | st.integers() | TEXTS | st.sampled_from(["1.5", "2026-11-22", "AP8="]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.fixed_dictionaries({"$type": st.sampled_from(TAGS), "value": inner})
    ),
    max_leaves=8,
)


@given(FOREIGN)
def test_what_another_language_sends_is_decoded_or_refused_with_a_value_error(foreign: object) -> None:
    with suppress(ValueError):  # any other exception would end the task without a word about the value
        decode(foreign)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"rows": [1, 2, 3, {"x": object()}]}, 'result["rows"][3]["x"] is a builtins.object'),
        ([float("nan")], "result[0] is nan, which JSON doesn't have"),
        (float("-inf"), "result is -inf"),
        ({"a": {1: 2}}, 'result["a"] has the key 1, which is a int'),
        ((1, 2**64), "result[1] is a whole number of more than 64 bits"),
        ("\ud800", "result has half a character"),
        ({"\udfff": 1}, "result"),
        ({"a": {"b": lambda: 1}}, 'result["a"]["b"] is a builtins.function'),
    ],
)
def test_what_cannot_travel_is_named_with_its_place(value: object, message: str) -> None:
    with pytest.raises(ValueNotSupportedError) as refusal:
        encode(value)

    assert str(refusal.value).startswith(message)


def test_a_value_that_contains_itself_is_refused() -> None:
    rows: list[object] = [1]
    rows.append({"again": rows})

    with pytest.raises(ValueNotSupportedError, match=r'^result\[1\]\["again"\] contains itself'):
        encode(rows)


def test_the_same_list_twice_is_no_circle() -> None:
    row = [1]

    assert encode([row, row]) == [[1], [1]]


def test_a_value_nested_too_deeply_is_refused() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(ValueNotSupportedError, match="nested too deeply"):
        encode(deep)


@dataclass
class Reading:
    sensor: str
    at: datetime


class Plant(StrEnum):
    NORTH = "north"


def test_a_dataclass_arrives_as_a_dictionary_and_a_text_enum_as_text() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)

    arrived = decode(encode([Reading("boiler", noon), Plant.NORTH]))

    assert arrived == [{"sensor": "boiler", "at": noon}, "north"]


def test_half_a_second_is_still_half_a_second() -> None:
    assert decode(encode(timedelta(milliseconds=500))) == timedelta(milliseconds=500)
    assert decode({"$type": "timedelta", "value": "-1.5"}) == timedelta(seconds=-1.5)


def test_every_tag_is_written_as_documented() -> None:
    value = [
        date(2026, 11, 22),
        datetime(2026, 11, 22, 6, 0, 0, 5, UTC),
        time(6, 30),
        timedelta(days=-1, microseconds=3),
        Decimal("1.50"),
        UUID(int=1),
        Path("/data/in.csv"),
        b"\x00\xff",
        (1,),
        {2},
        {"$type": "mine"},
    ]

    tags = [(item["$type"], item["value"]) for item in json.loads(json.dumps(encode(value)))]

    assert tags == [
        ("date", "2026-11-22"),
        ("datetime", "2026-11-22T06:00:00.000005+00:00"),
        ("time", "06:30:00"),
        ("timedelta", "-86399.999997"),
        ("decimal", "1.50"),
        ("uuid", "00000000-0000-0000-0000-000000000001"),
        ("path", "/data/in.csv"),
        ("bytes", "AP8="),
        ("tuple", [1]),
        ("set", [2]),
        ("dict", {"$type": "mine"}),
    ]


def test_a_tag_that_holds_rubbish_is_refused_and_an_unknown_tag_is_left_alone() -> None:
    with pytest.raises(ValueError, match="marked as date, but holds 'soon'"):
        decode({"$type": "date", "value": "soon"})

    assert decode({"$type": "colour", "value": "red"}) == {"$type": "colour", "value": "red"}
