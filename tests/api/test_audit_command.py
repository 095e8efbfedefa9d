"""``leasehold-api audit verify``: what it prints, and how it ends."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leasehold_api.cli import app
from tests.support.api_server import Api, on_both_stores


def verify(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["audit", "verify", *arguments])


def where(api: Api) -> list[str]:
    """Return the flags that lead to the API's database."""
    settings = api.house.settings
    return ["--state-dir", str(settings.state_dir), "--database-url", settings.database()]


@on_both_stores
async def test_a_chain_that_holds_is_said_to_and_its_head_shown(api: Api) -> None:
    await api.make_site("north")
    await api.house.trail.seal()

    told = verify(*where(api))
    found = json.loads(verify(*where(api), "--json").stdout)

    assert told.exit_code == 0, told.output
    assert f"head {found['head']['seq']}: {found['head']['hash']}" in told.stdout
    assert found["holds"] is True
    assert verify(*where(api), "--head", found["head"]["hash"]).exit_code == 0
    assert verify(*where(api), "--head", "f" * 64).exit_code == 1


async def test_a_changed_row_is_named_with_exit_code_1(api: Api) -> None:
    await api.make_site("north")
    await api.house.trail.seal()
    with sqlite3.connect(api.house.settings.database().removeprefix("sqlite:///")) as tampered:
        tampered.execute("DROP TRIGGER audit_is_not_changed")
        tampered.execute("UPDATE audit SET actor = 'token:somebody-else' WHERE seq = 2")
    tampered.close()

    told = verify(*where(api))

    assert told.exit_code == 1
    assert "broken at row 2 (changed)" in told.stdout
    assert json.loads(verify(*where(api), "--json").stdout)["broken"]["seq"] == 2


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    told = verify("--state-dir", str(tmp_path))

    assert told.exit_code == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{}\n", "no json\n"])
def test_a_file_is_read_as_what_it_is(tmp_path: Path, content: str) -> None:
    file = tmp_path / "audit.ndjson"
    file.write_text(content)

    told = verify("--from-file", str(file))

    assert told.exit_code == (2 if content else 0)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    told = verify("--from-file", str(tmp_path / "gone.ndjson"))

    assert told.exit_code == 2
