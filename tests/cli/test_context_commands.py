"""Connections and variables: what is asked of the API, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import respx

from leasehold_protocol.v1.fleet import ConnectionSummary, ConnectionWrite, VariableSummary
from tests.cli.answers import NOON, said
from tests.cli.conftest import Leasehold


def a_connection(*sites: str) -> ConnectionSummary:
    return ConnectionSummary(
        id="erp",
        team="default",
        conn_type="postgres",
        has_password=True,
        sites=list(sites),
        updated_at=NOON,
        updated_by="operator-1",
    )


def test_a_connection_is_read_from_a_uri_on_standard_input(author: Leasehold, api: respx.Router) -> None:
    put = api.put("/v1/teams/default/connections/erp").mock(return_value=said(a_connection("plant")))

    ended = author(
        "connections",
        "set",
        "erp",
        "--uri-file",
        "-",
        "--site",
        "plant",
        "--site",
        "north",
        stdin="postgres://bot:p%40ss@db.lan:5432/orders?sslmode=require\n",
    )

    sent = ConnectionWrite.model_validate_json(put.calls.last.request.content)
    assert (sent.conn_type, sent.host, sent.port, sent.login, sent.password) == (
        "postgres",
        "db.lan",
        5432,
        "bot",
        "p@ss",
    )
    assert (sent.schema_, sent.extra, sent.sites) == ("orders", {"sslmode": "require"}, ["plant", "north"])
    assert "p@ss" not in ended.out + ended.err


def test_a_connection_is_set_from_its_fields(author: Leasehold, api: respx.Router, tmp_path: Path) -> None:
    put = api.put("/v1/teams/default/connections/plant_db").mock(return_value=said(a_connection()))
    (tmp_path / "secret").write_text("hunter2\n")

    ended = author(
        "connections",
        "set",
        "plant_db",
        "--conn-type",
        "sqlite",
        "--host",
        "/srv/plant.db",
        "--schema",
        "main",
        "--password-file",
        str(tmp_path / "secret"),
        "--extra",
        '{"mode": "ro"}',
    )

    sent = json.loads(put.calls.last.request.content)
    assert (sent["conn_type"], sent["host"], sent["schema"]) == ("sqlite", "/srv/plant.db", "main")
    assert (sent["password"], sent["extra"]) == ("hunter2", {"mode": "ro"})
    assert "no site reaches it yet" in ended.out


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--uri", "no-uri"),
        ("--uri", "postgres://h:port/x"),
        ("--uri", "postgres://h/x", "--host", "h"),
        ("--conn-type", "post gres"),
        ("--conn-type", "postgres", "--extra", "[1]"),
        ("--conn-type", "postgres", "--port", "70000"),
        ("--uri-file", "/does/not/exist"),
    ],
)
def test_a_connection_that_cannot_be_is_a_mistake_of_typing(author: Leasehold, words: tuple[str, ...]) -> None:
    assert author("connections", "set", "erp", *words).code == 2


@pytest.mark.parametrize(
    ("words", "stdin", "value"),
    [
        (("42",), "", "42"),
        (("42", "--json"), "", 42),
        (('{"max": [1, null]}', "--json"), "", {"max": [1, None]}),
        (("--file", "-"), "two\nlines\n", "two\nlines"),
    ],
)
def test_a_variable_is_text_unless_it_is_said_to_be_json(
    author: Leasehold, api: respx.Router, words: tuple[str, ...], stdin: str, value: object
) -> None:
    answer = VariableSummary(key="a/b", team="default", updated_at=NOON, updated_by="operator-1")
    put = api.put("/v1/teams/default/variables/a%2Fb").mock(return_value=said(answer))

    ended = author("variables", "set", "a/b", *words, stdin=stdin)

    assert ended.code == 0
    assert json.loads(put.calls.last.request.content)["value"] == value


@pytest.mark.parametrize("words", [(), ("1", "--file", "-"), ("{", "--json"), ("--file", "/does/not/exist")])
def test_a_variable_without_one_clear_value_is_a_mistake_of_typing(author: Leasehold, words: tuple[str, ...]) -> None:
    assert author("variables", "set", "key", *words).code == 2


@pytest.mark.parametrize(("value", "shown"), [("as it is", "as it is\n"), ([1], "[\n  1\n]\n")])
def test_a_variables_value_is_printed_alone(author: Leasehold, api: respx.Router, value: object, shown: str) -> None:
    answer = VariableSummary(key="key", team="default", value=value, updated_at=NOON, updated_by="operator-1")
    api.get("/v1/teams/default/variables/key").mock(return_value=said(answer))

    assert author("variables", "get", "key").out == shown
