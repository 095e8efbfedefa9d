"""The agent's settings: ``agent.toml`` < ``LEASEHOLD_AGENT_*`` < flags, the same names everywhere."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import socket
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FilePath, ValidationError

from leasehold_agent.exits import Exit, OperatorError
from leasehold_protocol.v1.message import Labels, Name

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX = "LEASEHOLD_AGENT_"
DEFAULT_FILE = Path("/etc/leasehold/agent.toml")
NOT_SETTINGS = {"CONFIG", "ENROLMENT_TOKEN", "SEAL_KEY", "SEAL_KEY_FILE"}
"""Variables with the prefix that are read elsewhere."""
_IN_AN_ADDRESS = re.compile("://[^/@]*@")
"""A name and a password; an error repeats what was given, and these are not for everybody's eyes."""


def default_state_dir(environ: Mapping[str, str], *, is_root: bool) -> Path:
    """Return where the agent keeps its state: /var/lib as root, else the user's XDG state directory."""
    if is_root:
        return Path("/var/lib/leasehold-agent")
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "leasehold-agent"


def default_name() -> str:
    """Return this machine's short name, in the characters that names may have."""
    kept = "".join(
        char if char.isascii() and (char.isalnum() or char in "_.-") else "-" for char in socket.gethostname()
    )
    return kept.split(".")[0].lstrip("-")[:128] or "agent"


def default_python() -> Path:
    """Return the interpreter this agent runs in; beside the binary, which is none itself, lies one for tasks."""
    own = Path(sys.executable)
    return own.with_name("edge-python") if getattr(sys, "frozen", False) else own


def _loopback_address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536 or not _is_loopback(host.strip("[]")):
        raise ValueError("write a loopback address and a port, like 127.0.0.1:9464; nothing else listens at a site")
    return text


def _paths(given: object) -> object:
    return [part for part in given.split(os.pathsep) if part] if isinstance(given, str) else given


def _engine(text: str) -> str:
    if text not in ("auto", "podman", "docker", "none") and not text.startswith("/"):
        raise ValueError("write auto, podman, docker, none, or the path of one of them")
    return text


def _options(given: object) -> object:
    return given.split() if isinstance(given, str) else given


def _index(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write the address of a package index, like https://packages.example.com/simple")
    if parts.username or parts.password:
        raise ValueError("write it without name and password, and put those into ~/.netrc of the agent's user")
    return text


def _proxy(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https", "socks5", "socks5h") or not parts.hostname:
        raise ValueError("write the address of a proxy, like http://proxy.example.com:3128")
    if parts.username or parts.password:
        raise ValueError("write it without name and password, and set HTTPS_PROXY with them for the agent's service")
    return text


def _repository(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write the address of a repository, like https://updates.example.com/leasehold")
    if parts.username or parts.password:
        raise ValueError("write it without name and password: what is in it is signed, and no secret")
    return text.rstrip("/")


class Settings(BaseModel):
    """Everything that can be set. Nothing here is a secret.

    ``load`` reads the sources itself, because it tells where each value came from; docs/decisions/0006 says more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    state_dir: Annotated[Path, AfterValidator(Path.absolute)] = Field(
        default_factory=lambda: default_state_dir(os.environ, is_root=os.geteuid() == 0)
    )
    """The directory that holds identity, attempts and caches."""
    name: Name = Field(default_factory=default_name)
    """This agent's name in its site."""
    slots: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024)
    """How many attempts may run at once; the site's ceiling may lower it."""
    labels: Labels = Field(default_factory=dict[str, str])
    """What this machine claims to be; the server decides which of them count."""
    ca_file: FilePath | None = None
    """A PEM file with the site's own certificate authorities, trusted besides the system's."""
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    """The proxy to the API, instead of HTTPS_PROXY of the environment; what NO_PROXY names is reached without it."""
    allow_http: bool = False
    """Allow http:// to another machine: everything, secrets too, then crosses the network in the clear."""
    key_store: Literal["auto", "keyring", "file"] = "auto"
    """Where a new key is kept."""
    keepalive_s: int = Field(default=20, ge=1, le=3600)
    """A connection on which nothing comes back for twice this long (s) is given up."""
    link: Literal["auto", "pull", "push"] = "auto"
    """How leases come: asked for (pull), or on a stream that stays open (push). ``auto``: push where the API says that
    this site is trusted, else pull. A stream that does not get through gives way to pull."""
    python: FilePath = Field(default_factory=default_python)
    """The interpreter that runs Python tasks."""
    pythons: Annotated[tuple[FilePath, ...], BeforeValidator(_paths)] = ()
    """More interpreters for tasks that say ``requires-python``, besides ``python`` and python3.X on the PATH; in a
    variable with colons in between."""
    uv: FilePath | None = None
    """The uv that installs what tasks depend on; else the one on the PATH, a pack's, and where there is none pip."""
    index_url: Annotated[str, AfterValidator(_index)] | None = None
    """The package index of this site. A password for it belongs into ~/.netrc (or the file that NETRC names)."""
    environments_mb: int = Field(default=8192, ge=0)
    """What installed dependencies may take of the disk (MiB) before the longest unused go; those in use never do."""
    environment_timeout_s: float = Field(default=900.0, gt=0)
    """How long installing the dependencies of a task may take (s)."""
    container_engine: Annotated[str, AfterValidator(_engine)] = "auto"
    """What runs containers: ``podman``, ``docker``, a path, ``auto`` (the first of them that works) or ``none``."""
    container_pull: Literal["missing", "always", "never"] = "missing"
    """When the image of a container is fetched: when it is not there yet, each time, or never."""
    container_options: Annotated[tuple[str, ...], BeforeValidator(_options)] = ()
    """More options for the engine's ``run``, like ``--network=none`` or ``--userns=keep-id``; in a variable with spaces
    in between."""
    warm_idle_s: float = Field(default=600.0, ge=0)
    """A process that Python tasks are forked from ends after so long (s) without one; 0: every task starts afresh."""
    warm_processes: int = Field(default=8, ge=0, le=1024)
    """How many such processes there may be: one for each bundle and team."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important message that the agent logs."""
    keep_attempts: int = Field(default=0, ge=0, le=100_000)
    """How many delivered attempt directories stay on disk for a look at them."""
    policy_file: Annotated[Path, AfterValidator(Path.absolute)] | None = None
    """The site's policy. When named it must be there; else /etc/leasehold/policy.toml is used when that is there."""
    disk_low_water_mb: int = Field(default=256, ge=0)
    """Below this much free disk space (MiB) no new leases are taken; a quarter above it they are again."""
    disk_budget_mb: int | None = Field(default=None, ge=1)
    """What attempts, bundles and environments may take of the disk (MiB), before no new leases are taken; a quarter of
    the file system when not set."""
    clock_limit_s: float = Field(default=30.0, gt=0)
    """How far this machine's clock may be off the API's before it is said."""
    update: Literal["off", "notify", "install"] = "notify"
    """Whether newer versions are looked for by itself, and installed: ``notify`` only says that there is one. Only
    where ``edge-agent update`` works."""
    update_channel: Name = "stable"
    """Which of the repository's channels says what the newest version is."""
    update_version: Annotated[str, Field(pattern="^[0-9][0-9A-Za-z.+~_-]{0,99}$")] | None = None
    """The version to have, whatever the channel says."""
    update_repository: Annotated[str, AfterValidator(_repository)] | None = None
    """The address of the repository with new versions; else ``/updates`` of the API that the agent is enrolled at."""
    update_root: Annotated[Path, AfterValidator(Path.absolute)] | None = None
    """The file that says whose keys the repository is signed with; else ``root.json`` beside the installed versions."""
    update_prefix: Annotated[Path, AfterValidator(Path.absolute)] | None = None
    """The directory with ``versions`` and ``current``; a binary that lies in one finds it by itself."""
    update_every_s: float = Field(default=86400.0, ge=60)
    """How often the repository is looked at (s)."""
    update_ready_s: float = Field(default=120.0, ge=1)
    """A new version that has not reached the API so long (s) after its start is given up."""
    metrics_address: Annotated[str, AfterValidator(_loopback_address)] | None = None
    """A loopback address and port that answer /metrics and /healthz besides the socket, like 127.0.0.1:9464."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The effective settings, and where each one comes from."""

    settings: Settings
    origins: Mapping[str, str]


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Loaded:
    """Return the effective settings; ``flags`` holds those that were given.

    Raises:
        OperatorError: with every problem at once, each with its name, value, source and cure.
    """
    file, from_file = _read_file(environ)
    values: dict[str, object] = dict(from_file)
    origins = dict.fromkeys(from_file, str(file))
    problems: list[str] = []
    for variable, text in environ.items():
        name = variable.removeprefix(PREFIX)
        if not variable.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        values[name.lower()] = _labels(text) if name == "LABELS" else text
        origins[name.lower()] = variable
    for name, value in flags.items():
        values[name] = value
        origins[name] = "--" + name.replace("_", "-")
    try:
        settings = Settings(**values)  # type: ignore[arg-type]  # checked by pydantic, here
    except ValidationError as error:
        problems = [_explain(details, values, origins) for details in error.errors()]
        raise OperatorError(
            Exit.USAGE,
            f"{len(problems)} setting{'s' if len(problems) > 1 else ''} can't be used:\n  " + "\n  ".join(problems),
            "Correct what is named above; edge-agent config shows the effective settings and where each comes from.",
        ) from None
    return Loaded(settings=settings, origins={name: origins.get(name, "default") for name in Settings.model_fields})


def _read_file(environ: Mapping[str, str]) -> tuple[Path, dict[str, object]]:
    """Return the configuration file and what it says; only the default one may be missing."""
    named = environ.get(PREFIX + "CONFIG")
    path = Path(named) if named else DEFAULT_FILE
    try:
        with path.open("rb") as file:
            return path, tomllib.load(file)
    except FileNotFoundError as error:
        if named is None:
            return path, {}
        problem: Exception = error
        cause = "it does not exist"
    except OSError as error:
        problem, cause = error, error.strerror or "it can't be read"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problem, cause = error, f"it is not TOML: {error}"
    raise OperatorError(
        Exit.USAGE, f"The configuration file {path} can't be used: {cause}.", f"Correct it, or set {PREFIX}CONFIG."
    ) from problem


def _labels(text: str) -> object:
    """Return ``a=1,b=2`` as a mapping; other text as it is, for the check to name."""
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not equals for _, equals, _ in parts):
        return text
    return {name.strip(): value.strip() for name, _, value in parts}


def _explain(details: ErrorDetails, values: Mapping[str, object], origins: Mapping[str, str]) -> str:
    """Return one line about one problem."""
    name = str(details["loc"][0]) if details["loc"] else "?"
    where = origins.get(name, "default")
    if details["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, list(Settings.model_fields), n=1)
        hint = f"did you mean {close[0]}?" if close else f"the settings are: {', '.join(Settings.model_fields)}"
        return f"{name} (from {where}): there is no such setting; {hint}"
    example = "; labels are written a=1,b=2, or [labels] in the file" if name == "labels" else ""
    given = _IN_AN_ADDRESS.sub("://…@", repr(values.get(name)))
    return f"{name} = {given} (from {where}): {details['msg']}{example}"


def check_url(url: str, *, allow_http: bool) -> str:
    """Return an API address in its one form, without a slash at the end.

    Raises:
        OperatorError: it is none, or would send secrets in the clear.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise OperatorError(
            Exit.USAGE, f"{url!r} is not the address of an API.", "Give it like https://leasehold.example.com"
        )
    if parts.scheme == "http" and not (allow_http or _is_loopback(parts.hostname)):
        raise OperatorError(
            Exit.USAGE,
            f"{url} would send tokens and secrets in the clear.",
            "Use https://. For a test network only: set LEASEHOLD_AGENT_ALLOW_HTTP=true or allow_http in the file.",
        )
    return url.strip().rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
