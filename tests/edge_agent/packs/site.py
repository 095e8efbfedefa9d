"""A machine that trusts a publisher of packs, and the command that is typed there."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from leasehold_agent.cli import main
from leasehold_agent.packs.found import offered_packs
from leasehold_agent.packs.names import Pack
from tests.support.releases import Publisher, Web

PYTHON, OLD, NEW = "python3.12", "3.12.4", "3.12.5"
KILLED = -9
EDGE_AGENT = Path(sys.executable).with_name("edge-agent")


def _in_its_own_process(words: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(EDGE_AGENT), "packs", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def _in_this_process(words: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environ.items():
            patch.setenv(name, value)
        code = main(["packs", *words])
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


class Site:
    """A machine that trusts a publisher, and on which no agent runs."""

    def __init__(self, folder: Path, publisher: Publisher, web: Web) -> None:
        self.folder = folder
        self.publisher = publisher
        self.web = web
        self.state = folder / "state"
        self.state.mkdir()
        self.root = folder / "root.json"
        self.root.write_bytes(publisher.first_root)

    @property
    def packs(self) -> Path:
        return self.state / "packs"

    @property
    def offered(self) -> list[tuple[str, str]]:
        return [(one.name, one.version) for one in offered_packs(self.packs)]

    @property
    def left(self) -> list[str]:
        """Everything that is there of packs, their users' locks aside."""
        found = [path for path in self.packs.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return sorted({path.relative_to(self.packs).parts[2] for path in found})

    def run(self, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``edge-agent packs``."""
        settings = {"UPDATE_ROOT": str(self.root), "UPDATE_REPOSITORY": self.web.url, "STATE_DIR": str(self.state)}
        environ = {f"LEASEHOLD_AGENT_{name}": value for name, value in settings.items()}
        environ |= {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LEASEHOLD_AGENT_CONFIG": "/dev/null"} | more
        given = [str(word) for word in words]
        done = _in_its_own_process(given, environ) if more else _in_this_process(given, environ)
        assert "Traceback" not in done.stderr
        return done

    def __call__(self, *words: str | Path, code: int = 0, **more: str) -> str:
        """Run ``edge-agent packs``; return what it said."""
        done = self.run(*words, **more)
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    def add(self, *words: str | Path, code: int = 0, **more: str) -> str:
        return self("add", *words, code=code, **more)

    def refusal(self, *words: str | Path) -> tuple[int, str]:
        """Return how it ended, and what it said; nothing is different afterwards."""
        before = (self.offered, self.left)
        done = self.run("add", *words)
        assert (self.offered, self.left) == before
        return done.returncode, done.stderr

    def copy(self) -> Path:
        """Copy the repository to a medium that somebody carries there."""
        return shutil.copytree(self.publisher.public, self.folder / f"copy-{len(list(self.folder.iterdir()))}")


def archive_in(folder: Path, pack: Pack) -> Path:
    """Return the archive of a pack in a repository."""
    return next(folder.rglob(f"*.{pack.file}"))
