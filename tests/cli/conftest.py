"""What the tests of the `leasehold` command share: the command itself, run in this process, and a scripted API."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import respx

URL = "http://127.0.0.1:8420"
TOKEN = "lht_0123456789ab.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


Leasehold = Callable[..., Ended]


@pytest.fixture
def leasehold(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Leasehold:
    """The command, not signed in: nothing of the machine it runs on is seen."""
    from leasehold.cli import main

    for name in ("URL", "TOKEN", "TOKEN_FILE", "TEAM", "TOKEN_STORE", "SIGNING_KEY", "SIGNING_PASSPHRASE_FILE"):
        monkeypatch.delenv(f"LEASEHOLD_{name}", raising=False)
    monkeypatch.setenv("LEASEHOLD_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "120")

    def run(*argv: str, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["leasehold", *argv])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        said = capsys.readouterr()
        return Ended(code=code, out=said.out, err=said.err)

    return run


@pytest.fixture
def author(leasehold: Leasehold, monkeypatch: pytest.MonkeyPatch) -> Leasehold:
    """The command, signed in through the environment."""
    monkeypatch.setenv("LEASEHOLD_URL", URL)
    monkeypatch.setenv("LEASEHOLD_TOKEN", TOKEN)
    return leasehold


@pytest.fixture
def api() -> Iterator[respx.Router]:
    """The API: answers what the test says it answers, and refuses every other request."""
    with respx.mock(base_url=URL, assert_all_called=True) as router:
        yield router
