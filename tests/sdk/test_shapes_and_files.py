"""What the SDK does with files, shapes and other libraries' values, before anything leaves the process."""

from __future__ import annotations

import os
import sys
import types
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from leasehold import Connection, File, Variable
from leasehold.runtime.shaping import shaped
from leasehold.runtime.values import ValueNotSupportedError, decode, encode
from tests.support.task_server import TaskServer

ODD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


class Level(Enum):
    HIGH = "high"


@dataclass
class Row:
    plant: str
    price: float
    level: Level | None = None
    tags: list[str] = field(default_factory=list)


def test_a_dataclass_travels_as_a_dictionary_and_is_made_anew_for_who_asks() -> None:
    travelled = decode(encode({"rows": [Row("north", 3, Level.HIGH, ["a"]), Row("south", 2.5)]}))

    found = shaped(travelled, dict[str, list[Row]], "result")

    assert found == {"rows": [Row("north", 3.0, Level.HIGH, ["a"]), Row("south", 2.5)]}


@pytest.mark.parametrize(
    ("value", "into", "says"),
    [
        ({"plant": "n", "price": "dear"}, Row, "limit.price is a str, which can't be read as float"),
        ({"plant": "n"}, Row, "lacks ['price']"),
        ({"plant": "n", "price": 1, "colour": 2}, Row, "has ['colour'], which Row does not"),
        ([1, "x"], list[int], "limit[1] is a str"),
        ("low", Level, "can't be read as Level"),
        (True, int, "is a bool"),
        (None, int, "is a NoneType"),
    ],
)
def test_what_does_not_fit_is_named_and_never_shown(value: object, into: object, says: str) -> None:
    with pytest.raises(ValueError, match="limit") as refused:
        shaped(value, into, "limit")

    assert says in str(refused.value)
    assert "dear" not in str(refused.value)


def test_text_says_numbers_and_truth(monkeypatch: pytest.MonkeyPatch, by_hand: None) -> None:
    monkeypatch.setenv("LEASEHOLD_VAR_LIMITS_UPPER", '"80.5"')
    monkeypatch.setenv("LEASEHOLD_VAR_LIMITS_ON", '"True"')

    assert Variable.get("limits/upper", into=float) == 80.5
    assert Variable.get("limits/on", into=bool) is True
    assert Variable.get("limits/none", default=None, into=int) is None
    assert Variable.list("limits/") == ["limits_on", "limits_upper"]


def test_the_place_of_what_cannot_travel_names_attributes_and_elements() -> None:
    with pytest.raises(ValueNotSupportedError, match=r'^result\["rows"\]\[1\]\.price is nan'):
        encode({"rows": [Row("n", 1), Row("s", float("nan"))]})


@pytest.mark.parametrize(
    ("module", "kind", "cure"),
    [
        ("pandas.core.frame", "DataFrame", "to_parquet(path) and push that file"),
        ("polars.dataframe", "DataFrame", "write_parquet(path)"),
        ("numpy", "ndarray", ".tolist()"),
    ],
)
def test_tables_of_other_libraries_are_refused_with_the_cure(module: str, kind: str, cure: str) -> None:
    value = type(kind, (), {"__module__": module, "shape": (3, 2)})()

    with pytest.raises(ValueNotSupportedError, match="result") as refused:
        encode(value)

    assert cure in str(refused.value)
    assert module.partition(".")[0] not in sys.modules


def test_a_number_of_numpy_is_a_number() -> None:
    scalar = type("float64", (), {"__module__": "numpy", "shape": (), "item": lambda _: 2.5})()

    assert encode([scalar]) == [2.5]


def test_nesting_cycles_and_too_many_bytes_have_their_reasons() -> None:
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    circle: list[object] = [1]
    circle.append(circle)

    for value, says in (
        (deep, "nested too deeply"),
        (circle, "contains itself"),
        ({"x": bytes(51_000_000)}, "File(path)"),
    ):
        with pytest.raises(ValueNotSupportedError, match="result") as refused:
            encode(value)
        assert says in str(refused.value)


def test_what_is_no_regular_file_is_refused_with_the_cure(tmp_path: Path, host: TaskServer) -> None:
    (tmp_path / "pipe").touch()
    (tmp_path / "pipe").unlink()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")

    for path, says in (
        (tmp_path, "zip it"),
        (tmp_path / "pipe", "copy its content"),
        (tmp_path / "dangling", "No such file"),
    ):
        with pytest.raises(ValueNotSupportedError, match=r'result\["a"\]') as refused:
            encode({"a": File(path)})
        assert says in str(refused.value)


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, host: TaskServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "growing.log"
    path.write_bytes(b"x" * 100)

    def send(_host: object, read: types.FunctionType, size: int) -> dict[str, object]:
        data = read(size)
        with path.open("ab") as file:
            file.write(b"more")
        return {"sha256": "a" * 64, "size": len(data)}

    monkeypatch.setattr("leasehold.runtime.file_wire.send", send)

    with pytest.raises(ValueNotSupportedError, match="changed while it was read: write it to its end first"):
        encode(File(path))


def test_by_hand_a_file_is_read_and_kept_for_the_length_of_the_script(tmp_path: Path, by_hand: None) -> None:
    (tmp_path / "a.csv").write_text("rows")
    file = File(tmp_path / "a.csv")

    assert (file.read_text(), file.size, file.path) == ("rows", 4, tmp_path / "a.csv")
    assert file == File(tmp_path / "a.csv", name="b.csv")
    kept = decode(encode(file))
    assert (kept.read_text(), kept.name, kept == file) == ("rows", "a.csv", True)


def test_a_tag_that_describes_no_file_is_refused() -> None:
    with pytest.raises(ValueError, match="marked as file"):
        decode({"$type": "file", "value": {"name": "x"}})


def test_a_received_name_never_leads_out_of_its_folder() -> None:
    file = decode({"$type": "file", "value": {"sha256": "a" * 64, "size": 1, "name": "../../etc/passwd"}})

    assert isinstance(file, File)
    assert file.name == "passwd"


@given(ODD, ODD, ODD, st.dictionaries(ODD, ODD, max_size=3))
def test_sqlalchemy_reads_its_url_as_the_connection_was(
    login: str, password: str, schema: str, extra: dict[str, str]
) -> None:
    connection = Connection(
        conn_type="postgres", host="db.plant", login=login, password=password, port=5432, schema=schema, extra=extra
    )

    url = make_url(connection.sqlalchemy_url("psycopg"))

    assert (url.drivername, url.host, url.port) == ("postgresql+psycopg", "db.plant", 5432)
    assert (url.username, url.password, dict(url.query)) == (login, password, extra)


def test_a_file_database_and_what_no_url_can_say() -> None:
    nested = Connection(id="db", conn_type="mysql", extra={"ssl": {"ca": "s3cr3t"}})

    assert Connection(conn_type="sqlite", host="/var/rows.db").sqlalchemy_url() == "sqlite:////var/rows.db"
    with pytest.raises(ValueError, match="connect_args") as refused:
        nested.sqlalchemy_url()
    assert "s3cr3t" not in str(refused.value)
