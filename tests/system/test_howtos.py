"""What the how-tos tell operators to type is typed, in their order."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.system.place import COMMANDS, Place
from tests.system.programs import PATIENCE_S, free_port

HOWTOS = Path(__file__).parents[2] / "docs/howto"
EXAMPLE = "https://leasehold.example.com"


def script(name: str, *, url: str) -> str:
    """Return the commands of a page, with another address."""
    text = (HOWTOS / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return "\n".join(blocks).replace(EXAMPLE, url)


def typed(place: Place, name: str, *, url: str) -> str:
    """Type the commands of a page, and return what they said."""
    env = place.env | {"PATH": f"{COMMANDS}:{place.env['PATH']}"}
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script(name, url=url)],
        cwd=place.home,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_service_is_run_as_the_page_says_backed_up_and_restored(
    empty_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setitem(empty_place.env, "LEASEHOLD_API_PORT", str(port))

    ran = typed(empty_place, "run-the-api.md", url=url)
    monkeypatch.setitem(empty_place.env, "LEASEHOLD_API_CONFIG", str(empty_place.home / "api.toml"))
    (made,) = (empty_place.home / "backups").glob("*.backup")
    made.unlink()
    restored = typed(empty_place, "back-up.md", url=url)

    assert "no problems, no warnings." in ran
    assert f"{url}/welcome#lnk_" in ran
    assert "Restored as of" in restored
    assert (empty_place.home / "restored/leasehold.db").exists()
