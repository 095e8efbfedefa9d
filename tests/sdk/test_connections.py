"""Connections: fields, Airflow's URI form, secrets that don't show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold import Connection

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
HOSTS = st.from_regex(r"[a-z0-9.\-]{1,20}", fullmatch=True) | st.sampled_from(["::1", "fe80::1", "/var/run/db"])
CONNECTIONS = st.builds(
    Connection,
    conn_type=st.sampled_from(["postgres", "http", "sqlite", "google_cloud"]),
    host=st.none() | HOSTS,
    login=st.none() | TEXTS,
    password=st.none() | TEXTS,
    port=st.none() | st.integers(0, 65535),
    schema=st.none() | TEXTS,
    extra=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), TEXTS | st.integers() | st.booleans() | st.just("")
    ),
)


@given(CONNECTIONS)
def test_a_connection_survives_its_uri(connection: Connection) -> None:
    assert Connection.from_uri(connection.uri) == connection


def test_a_uri_is_written_as_airflow_writes_it() -> None:
    plant = Connection(
        conn_type="google_cloud",
        host="db.plant",
        login="a/b",
        password="p@ss:word",
        port=5432,
        schema="sensors",
        extra={"sslmode": "require"},
    )

    assert plant.uri == "google-cloud://a%2Fb:p%40ss%3Aword@db.plant:5432/sensors?sslmode=require"


def test_extras_that_are_not_text_travel_as_json() -> None:
    plant = Connection(conn_type="http", extra={"timeout": 3})

    assert plant.uri == "http:///?__extra__=%7B%22timeout%22%3A%203%7D"
    assert Connection.from_uri(plant.uri).extra == {"timeout": 3}


@pytest.mark.parametrize(
    "uri", ["", "postgres", "db.plant:5432/x", "http://h:70000/", "x://h:port/", "x://h/?__extra__=7"]
)
def test_what_is_no_uri_is_refused_without_repeating_it(uri: str) -> None:
    with pytest.raises(ValueError, match="not a connection's URI"):
        Connection.from_uri(uri)


def test_the_password_never_shows_in_a_repr() -> None:
    plant = Connection.from_uri("postgres://reader:hunter2@db/x?token=hunter2", id="plant_db")

    assert "hunter2" not in repr(plant)
    assert "hunter2" not in f"{plant}"
    assert "plant_db" in repr(plant)
