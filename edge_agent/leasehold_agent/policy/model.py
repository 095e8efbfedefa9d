"""``policy.toml``: what a site's owner may say, and what can't be meant. What it does not name is not allowed."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from leasehold_agent.host.allowed import ANY_MORE
from leasehold_agent.policy.hours import WindowRule, check_start
from leasehold_agent.policy.quantities import duration, size
from leasehold_protocol.signed.keys import public_bytes

MIB = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9_.\-*?]+")
_KEY = re.compile(r"[A-Za-z0-9_.\-/:*?]+")
_IMAGE = re.compile(r"[A-Za-z0-9_.\-/:@*?]+")
_VARIABLE = re.compile(r"[A-Za-z0-9_*?]+")


def _pattern(pattern: str, letters: re.Pattern[str], what: str, has: str) -> str:
    if not pattern:
        raise ValueError(f"an empty pattern fits no {what}")
    if not letters.fullmatch(pattern):
        raise ValueError(f"{pattern!r} can never fit: {what}s have only {has}; * and ? are wildcards")
    return pattern


def _name_pattern(pattern: str) -> str:
    return _pattern(pattern, _NAME, "name", "letters, digits, _ . and -")


def _key_pattern(pattern: str) -> str:
    return _pattern(pattern, _KEY, "key", "letters, digits, _ . - / and :")


def _variable_pattern(pattern: str) -> str:
    return _pattern(pattern, _VARIABLE, "variable", "letters, digits and _")


def _image_pattern(pattern: str) -> str:
    return _pattern(pattern, _IMAGE, "image", "lower-case letters, digits, . _ - / : and @, and tags capitals")


def _program_path(path: str) -> str:
    if not path.startswith(("/", "**")):
        raise ValueError(f"{path!r} can never fit: programs are known by their absolute path, like /usr/bin/rsync")
    if path.endswith("/") or "//" in path or "/./" in path:
        raise ValueError(f"{path!r} can never fit: write the path without //, /./ and a / at its end")
    return path


def _arguments(patterns: list[str]) -> list[str]:
    if ANY_MORE in patterns[:-1]:
        raise ValueError(f'"{ANY_MORE}" (any further arguments) can only be the last of a list')
    return patterns


def _signing_key(line: str) -> str:
    public_bytes(line)
    return line


def _absolute_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is not absolute: write the whole path, like /etc/leasehold/signers.json")
    return path


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"there is no time zone {name!r} on this machine: write one like Europe/Vienna or UTC; if it is right, "
            "install the machine's time zone data (tzdata)"
        ) from None
    return name


NamePattern = Annotated[str, AfterValidator(_name_pattern)]
KeyPattern = Annotated[str, AfterValidator(_key_pattern)]
Size = Annotated[int, BeforeValidator(size)]
Duration = Annotated[float, BeforeValidator(duration)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Program(_Part):
    """One program that ``program`` tasks may run (``[[programs]]``)."""

    path: Annotated[str, AfterValidator(_program_path)] = Field(
        description="Its absolute path, or a pattern of paths. The shell of `shell(…)` tasks is `/bin/sh`."
    )
    args: list[Annotated[list[str], AfterValidator(_arguments)]] | None = Field(
        default=None,
        description='Lists of patterns, one pattern per argument, `"..."` at the end for any further ones; a call must '
        "fit one of the lists. Left out: any arguments.",
    )
    env: list[Annotated[str, AfterValidator(_variable_pattern)]] = Field(
        default_factory=list[str], description="Environment variables that the author may set for it."
    )


class Window(_Part):
    """One working time (an entry of `windows`)."""

    start: Annotated[str, AfterValidator(check_start)] = Field(
        description="When it begins, as cron: minute, hour, day of month, month, day of week. Weekdays by name "
        "(`mon-fri`); when a day of month and a weekday are both given, both must hold."
    )
    duration: Annotated[Duration, Field(ge=60, le=7 * 86400)] = Field(
        description="How long it lasts on the clock on the wall, 1 minute to 7 days."
    )


class Hours(_Part):
    """Working hours (`[hours]`). Outside of them no new work is taken. Left out: always."""

    timezone: Annotated[str, AfterValidator(_zone)] = Field(description="The time zone of `windows`.")
    windows: list[Window] = Field(min_length=1, max_length=50, description="When work may begin; see below.")
    at_end: Literal["finish", "cancel"] = Field(
        default="finish", description="What becomes of running attempts when the hours end."
    )

    def rules(self) -> list[WindowRule]:
        """Return the windows for ``policy.hours``."""
        return [WindowRule(start=one.start, duration_s=one.duration) for one in self.windows]


class Limits(_Part):
    """Limits (`[limits]`). Left out: none beyond the agent's settings and the API's."""

    slots: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="The most attempts at once. The lowest of this, the setting and the API's counts."
    )
    memory_per_process: Annotated[Size, Field(ge=64 * MIB)] | None = Field(
        default=None,
        description="The most address space of each process of an attempt (`RLIMIT_AS`), at least 64 MiB. It bounds "
        "every process, not their sum.",
    )
    log: Annotated[Size, Field(ge=1024)] | None = Field(
        default=None, description="The most log that is kept of an attempt; the log says what came after."
    )
    file: Annotated[Size, Field(ge=1024)] | None = Field(
        default=None, description="The largest file that a task may push. The lower of this and the API's limit counts."
    )
    timeout: Annotated[Duration, Field(gt=0)] | None = Field(
        default=None,
        description="The longest time-out a task may ask for; one that asks for none is stopped after this long.",
    )
    max_offline: Annotated[Duration, Field(ge=10)] | None = Field(
        default=None, description="The longest `max_offline` a task may ask for."
    )
    spool: Annotated[Size, Field(ge=MIB)] | None = Field(
        default=None, description="With more than this in attempt directories no new work is taken."
    )


class Signers(_Part):
    """Whose signed DAGs may run (`[signers]`). Left out: signatures are not looked at."""

    keys: list[Annotated[str, AfterValidator(_signing_key)]] = Field(
        default_factory=list[str], description="Public keys, each `ed25519:…` as `leasehold keys show` prints it."
    )
    jwks: Annotated[str, AfterValidator(_absolute_path)] | None = Field(
        default=None, description="A JWKS file with more keys, by its absolute path; read again when it changes."
    )
    teams: list[NamePattern] = Field(default=["*"], description="Whose DAGs this is about. Left out: every team's.")
    dags: list[NamePattern] = Field(default=["*"], description="Which DAGs this is about. Left out: all.")
    required: bool = Field(
        default=True,
        description="Whether what is not signed is refused. With `false` it runs, and only a signature that is there "
        "must be a known key's and fit: for the time until everything is signed.",
    )
    max_age: Annotated[Duration, Field(ge=60)] | None = Field(
        default=None, description="How old a signature may be when an attempt starts, at least 1 minute."
    )


class Policy(_Part):
    """The whole file. What a list does not name is not allowed; `"*"` is any name."""

    version: Literal[1] = Field(description="Of this format: `1`.")
    runtimes: list[Literal["python", "program", "container"]] = Field(
        default_factory=list[Literal["python", "program", "container"]], description="Which kinds of tasks may run."
    )
    teams: list[NamePattern] = Field(default_factory=list[str], description="Whose.")
    dags: list[NamePattern] = Field(default_factory=list[str], description="Of which DAGs.")
    connections: list[NamePattern] = Field(
        default_factory=list[str], description="Connections that tasks here may declare and read."
    )
    variables: list[KeyPattern] = Field(
        default_factory=list[str], description="Variables that tasks here may declare, read and write."
    )
    environments: Literal["index", "wheels-only", "never"] = Field(
        default="wheels-only",
        description="What the dependencies of Python tasks may be installed from: the package `index` and what travels "
        "with the DAG, `wheels-only` what travels with it, or `never` anything. Without a policy file: `index`.",
    )
    programs: list[Program] = Field(default_factory=list[Program], description="Programs that may run; see below.")
    images: list[Annotated[str, AfterValidator(_image_pattern)]] = Field(
        default_factory=list[str],
        description="Images that container tasks may run, as authors write them: tag and digest belong to it.",
    )
    signers: Signers | None = Field(default=None, description="Whose signed DAGs may run; see below.")
    hours: Hours | None = Field(default=None, description="Working hours; see below.")
    limits: Limits = Field(default_factory=Limits, description="Limits; see below.")
