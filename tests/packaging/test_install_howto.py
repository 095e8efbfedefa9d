"""docs/howto/install-agent.md is typed, whole and in its order: for the package, the tar archive, the single file."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from leasehold_agent.installing.places import SYSTEM_STATE
from tests.packaging.paths import ROOT
from tests.packaging.scratch_system import ScratchSystem, opened
from tests.system.place import COMMANDS, Place, open_place

pytestmark = pytest.mark.timeout(300)

PAGE = ROOT / "docs/howto/install-agent.md"
EXAMPLE = "https://leasehold.example.com"
FORMS = {"deb", "tar", "file", "container"}
INSTEAD = {
    # systemd is not the first process here: what the unit's ExecStart names is started instead.
    "sudo systemctl enable --now edge-agent": f"sudo -u leasehold-agent edge-agent run --state-dir {SYSTEM_STATE} &",
    # Its base images come from a registry; test_issued_commands.py makes the image of the tar archive instead.
    "podman build --file packaging/api/agent.Containerfile --tag leasehold-agent .": ":",
}
"""What can't be typed here, and what is in its place."""


def script(form: str, url: str) -> str:
    """Return the commands of the page for one form of the agent, with another address and a site of its own."""
    blocks = re.findall(r"^```sh(.*?)\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for forms, text in blocks if not forms or form in forms.split() for line in text.splitlines()]
    commands = "\n".join(INSTEAD.get(line, line) for line in lines)
    return commands.replace(EXAMPLE, url).replace("plant", f"{form}-plant")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(tmp_path_factory.mktemp("place")) as place:
        place.serve()
        yield place


@pytest.fixture
def fetched(packages: Path, tmp_path: Path) -> Path:
    """A folder with what was fetched."""
    folder = tmp_path / "fetched"
    shutil.copytree(packages, folder)
    shutil.copy(packages.parent / "leasehold.signers", folder)
    return folder


def is_well(said: str, form: str) -> None:
    """Every step said what the page promises."""
    for words in (
        'Good "leasehold-release" signature',
        "this machine is not enrolled yet",
        f"Enrolled as {form}-plant-1 of site {form}-plant",
        "no problems, ",
        "new work  is taken",
    ):
        assert words in said, said


def test_every_step_is_for_forms_that_there_are() -> None:
    text = PAGE.read_text("utf-8")
    named = {form for forms in re.findall(r"^```sh (.*)$", text, re.MULTILINE) for form in forms.split()}

    assert named == FORMS
    assert "```console" not in text
    assert all(line in text for line in INSTEAD)


@pytest.mark.parametrize("form", ["tar", "file"])
def test_an_agent_for_ones_own_user_is_installed_as_the_page_says(
    form: str, fetched: Path, place: Place, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # As root the agent's own default would be the machine's.
    more = {"HOME": str(home), "LEASEHOLD_AGENT_STATE_DIR": str(tmp_path / "state"), "PATH": _only_leasehold(tmp_path)}

    said = _typed(script(form, place.url), fetched, place.env | more)

    is_well(said, form)
    assert not list(fetched.glob("*.token"))
    assert not (home / ".local/bin/edge-agent").exists()


@pytest.fixture
def system(packages: Path, tmp_path: Path) -> Iterator[ScratchSystem]:
    if not list(packages.glob("*.deb")):
        pytest.skip("dpkg-deb is not installed")
    with opened(tmp_path) as system:
        yield system


def test_the_package_is_installed_as_the_page_says(system: ScratchSystem, fetched: Path, place: Place) -> None:
    shutil.copytree(fetched, system.path("/root/fetched"), ignore=shutil.ignore_patterns("*.xz", "*-x86_64*"))
    system.add_sudo()
    system.path("/usr/local/bin/leasehold").symlink_to(COMMANDS / "leasehold")
    token = Path(place.env["LEASEHOLD_TOKEN_FILE"]).read_text()
    system.path("/root/author.token").write_text(token)
    env = ("env", f"LEASEHOLD_URL={place.url}", "LEASEHOLD_TOKEN_FILE=/root/author.token")

    said = system.run(*env, "bash", "-euo", "pipefail", "-c", f"cd /root/fetched\n{script('deb', place.url)}")

    is_well(said, "deb")
    assert not system.path("/var/lib/leasehold-agent").exists()


def _only_leasehold(folder: Path) -> str:
    """Return a search path on which there is the authors' command, and no agent but the one that is installed."""
    (folder / "authors").mkdir()
    (folder / "authors/leasehold").symlink_to(COMMANDS / "leasehold")
    return f"{folder / 'authors'}:/usr/bin:/bin"


def _typed(commands: str, folder: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", commands],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
