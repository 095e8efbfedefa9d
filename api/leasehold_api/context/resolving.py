"""Looks up what secret references refer to, when a task reads them. What is found is never stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from leasehold_api.callers import TaskCaller
from leasehold_api.context.entitlement import Verdict, refusal
from leasehold_api.context.references import (
    NotAReferenceError,
    Place,
    Scheme,
    is_reference,
    parse,
    references_in,
    replaced,
    written,
)
from leasehold_api.errors import ApiError, UnavailableError
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.problems import ProblemCode

LONGEST_S = 10.0
"""How long looking up everything that one answer needs may take."""

_SETTINGS = {
    Scheme.ENV: "secret_env_prefix",
    Scheme.FILE: "secret_files_dir",
    Scheme.VAULT: "vault_url and vault_token_file",
    Scheme.AWS: "aws_sm_region",
}


class RefusedSourceError(Exception):
    """There is no such secret, or it may not be read: somebody has to change something. The text has no secret."""


class SourceAwayError(Exception):
    """The source does not answer: later. The text has no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is at a place, by key."""

    fields: Mapping[str, str] = field(repr=False)
    lease: str | None = None
    """The id that the source can end it by."""


class SecretSource(Protocol):
    """One kind of place where secrets are."""

    async def read(self, path: str, *, team: str) -> Found:
        """Return what is there, for a task of ``team``.

        Raises:
            RefusedSourceError: never, as things are.
            SourceAwayError: later.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One reference as the audit trail has it."""

    reference: str
    of: str
    result: str
    lease: str | None = None


class ReferenceLog(Protocol):
    """Audits what was looked up."""

    async def note(self, reader: TaskCaller, noted: list[Noted], *, now: float) -> bool:
        """Audit what was looked up for a task; say, in the same transaction, whether its lease still runs."""
        ...


class References:
    """Resolves the references in what a task reads."""

    def __init__(self, sources: Mapping[Scheme, SecretSource], log: ReferenceLog) -> None:
        self._sources = sources
        self._log = log

    async def resolved(
        self, reader: TaskCaller, value: Json, *, kind: str, name: str, now: float
    ) -> tuple[Json, list[str]]:
        """Return ``value`` with its references resolved, and the secrets that they stand for.

        Raises:
            UnavailableError: a source does not answer.
            LeaseLostError: the attempt lost its lease meanwhile.
            ApiError: not_granted, naming the reference: it leads to nothing that a task may have.
        """
        texts = list(dict.fromkeys(references_in(value)))
        if not texts:
            return replaced(value, written), []
        looked_up = _LookUp(self._sources, team=reader.team, of=f"{kind} {name}")
        try:
            async with asyncio.timeout(LONGEST_S):
                for text in texts:
                    await looked_up.add(text)
        except TimeoutError:
            looked_up.fail(texts[len(looked_up.secrets)], UnavailableError("its source did not answer in time"))
        # Audited before anything is given away, and the lease looked at again: a source may take its time.
        if not await self._log.note(reader, looked_up.noted, now=now):
            raise refusal(Verdict.LEASE_LOST, kind=kind, name=name, task=reader.task)
        if looked_up.refused is not None:
            raise looked_up.refused
        secrets = looked_up.secrets
        given = replaced(value, lambda text: secrets[text] if is_reference(text) else written(text))
        return given, list(dict.fromkeys(secrets.values()))


class _LookUp:
    """The references of one answer. A place is read once, however many of them lead there."""

    def __init__(self, sources: Mapping[Scheme, SecretSource], *, team: str, of: str) -> None:
        self._sources = sources
        self._team = team
        self._of = of
        self._places: dict[Place, Found] = {}
        self.secrets: dict[str, str] = {}
        self.noted: list[Noted] = []
        self.refused: ApiError | None = None

    async def add(self, text: str) -> None:
        """Look up one more, unless one was refused already."""
        if self.refused is not None:
            return
        try:
            reference = parse(text)
            found = await self._read(reference.place)
            if reference.key not in found.fields:
                raise RefusedSourceError(f"there is no {reference.key!r}")
        except NotAReferenceError as error:
            self.fail(f"{text.partition(':')[0]}:…", ApiError(str(error), code=ProblemCode.NOT_GRANTED))
        except RefusedSourceError as error:
            self.fail(text, ApiError(str(error), code=ProblemCode.NOT_GRANTED))
        except SourceAwayError as error:
            self.fail(text, UnavailableError(str(error)))
        else:
            self.secrets[text] = found.fields[reference.key]
            self.noted.append(Noted(reference=text, of=self._of, result="given", lease=found.lease))

    def fail(self, text: str, error: ApiError) -> None:
        """Remember why the answer can't be given."""
        self.noted.append(Noted(reference=text, of=self._of, result=error.code.value))
        self.refused = ApiError(f"the {self._of} refers to {text}: {error.detail}", code=error.code)

    async def _read(self, place: Place) -> Found:
        if place not in self._places:
            source = self._sources.get(place.scheme)
            if source is None:
                raise RefusedSourceError(
                    f"{place.scheme}: references are off on this server; its admin can allow them with the settings "
                    f"{_SETTINGS[place.scheme]}"
                )
            self._places[place] = await source.read(place.path, team=self._team)
        return self._places[place]


def malformed(value: Json) -> str | None:
    """Return what is wrong with the first reference in ``value`` that says no place."""
    for text in references_in(value):
        try:
            parse(text)
        except NotAReferenceError as error:
            return str(error)
    return None
