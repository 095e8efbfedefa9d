"""Which program installs the packages of an environment, and what it is told."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leasehold_agent.environments.pythons import Interpreter
from leasehold_agent.environments.rules import EnvironmentRules
from leasehold_agent.packs.found import offered_uv

_PASSED_ON = (
    "PATH", "LD_LIBRARY_PATH", "LANG", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC",
)  # fmt: skip


class NoToolError(Exception):
    """Nothing here can install packages. The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """uv, or the pip of an interpreter; for the binary's own interpreter the agent, which unzips carried wheels."""

    name: str
    uv: str | None
    python: Interpreter

    @property
    def unzips(self) -> bool:
        """Say whether there is nothing to be started: the host does it."""
        return self.python.unpacks

    def make(self, target: Path) -> list[str]:
        """Return the command that makes an empty environment."""
        if self.uv is not None:
            return [self.uv, "venv", *_UV, "--python", self.python.path, "--no-project", str(target)]
        return [self.python.path, "-I", "-m", "venv", "--without-pip", str(target)]

    def install(self, target: Path, lock: Path, *, links: Path | None, use_index: bool) -> list[str]:
        """Return the command that installs a lock: whole wheels with the lock's hashes, and nothing else."""
        into = str(target / "bin" / "python")
        what = ["--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)]
        where = [*(["--find-links", str(links)] if links else []), *([] if use_index else ["--no-index"])]
        if self.uv is not None:
            return [self.uv, "pip", "install", *_UV, "--link-mode", "copy", "--python", into, *what, *where]
        pip = [self.python.path, "-I", "-m", "pip", "--python", into, "install"]
        return [*pip, "--no-cache-dir", "--no-input", "--no-compile", "--progress-bar", "off", *what, *where]


_UV = ("--no-config", "--no-cache", "--no-python-downloads", "--no-progress", "--color", "never")


def find_tool(rules: EnvironmentRules, python: Interpreter, *, search_path: str) -> Tool:
    """Return what will install.

    Raises:
        NoToolError: there is neither uv nor pip.
    """
    if python.unpacks:
        return Tool(name="the agent itself", uv=None, python=python)
    if uv := find_uv(rules.uv, search_path=search_path, packs_dir=rules.packs_dir):
        return Tool(name="uv", uv=uv, python=python)
    if python.has_pip:
        return Tool(name="pip", uv=None, python=python)
    raise NoToolError(
        f"packages can't be installed at this site: there is no uv, and {python.path} has no pip: "
        "edge-agent packs add uv there, or install uv, or set the agent's `uv`"
    )


def find_uv(named: str | None, *, search_path: str, packs_dir: str | None = None) -> str | None:
    """Return uv: the one that is named, the one beside the agent's interpreter, the first on PATH, or a pack's."""
    beside = Path(sys.executable).with_name("uv")
    candidates: Sequence[str | None] = (named, str(beside), shutil.which("uv", path=search_path))
    found = next((one for one in candidates if one is not None and os.access(one, os.X_OK)), None)
    return offered_uv(Path(packs_dir)) if found is None and packs_dir is not None else found


def tool_environment(
    rules: EnvironmentRules, surroundings: Mapping[str, str], more: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of the installing program. The index is named here: its address is in no command line."""
    passed = {name: value for name, value in surroundings.items() if name in _PASSED_ON or name.startswith("LC_")}
    own_netrc = Path(surroundings.get("HOME", "/nonexistent"), ".netrc")
    netrc = {} if "NETRC" in passed or not own_netrc.is_file() else {"NETRC": str(own_netrc)}
    index = {} if rules.index_url is None else {"UV_DEFAULT_INDEX": rules.index_url, "PIP_INDEX_URL": rules.index_url}
    quiet = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **passed, **netrc, **index, **quiet, **more}
