"""Writes that wait are combined into one transaction.

One thread owns the write connection. It takes whatever has queued up, runs the operations and commits once; then every
caller gets its own answer or its own error. Under load that is several times the throughput of one transaction per
request (`make bench` says how many). An operation that fails takes none of its neighbours with it: all of them are done
again, each in a savepoint. So an operation may run more than once, and what it changes outside must not mind.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Connection, Engine, Executable, Result
from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from leasehold_api.errors import InvalidRequestError, UnavailableError
from leasehold_api.fault_points import reach
from leasehold_api.signals import Signal

T = TypeVar("T")

MOST_PER_COMMIT = 256
"""Bounds how long the first caller of a group waits for the last."""

_SERIALIZATION_FAILURES = {"40001", "40P01"}  # PostgreSQL: serialization failure, deadlock
_TRIES = 5


class Transaction:
    """What an operation gets to work with."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.signals: list[Signal] = []

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.connection.dialect.name

    def run(
        self, statement: Executable, parameters: dict[str, Any] | Sequence[dict[str, Any]] | None = None
    ) -> Result[Any]:
        """Execute one statement."""
        return self.connection.execute(statement, parameters)

    def signal(self, signal: Signal) -> None:
        """Tell the rest of the house, once this is committed."""
        self.signals.append(signal)


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    operation: Callable[[Transaction], T]
    future: Future[T] = field(default_factory=Future[T])
    answer: Callable[[], None] | None = None
    signals: list[Signal] = field(default_factory=list[Signal])


class Writer:
    """The one place that writes to the database."""

    def __init__(self, engine: Engine, *, on_commit: Callable[[list[Signal]], None]) -> None:
        self._engine = engine
        self._on_commit = on_commit
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="database-writer", daemon=True)
        self._thread.start()

    async def write(self, operation: Callable[[Transaction], T]) -> T:
        """Run ``operation`` in a transaction and return its answer once that is durable.

        Raising rolls back what this operation did, and nothing else. What must persist although the answer is a refusal
        (a burnt token, a lock) is therefore returned, not raised.

        Raises:
            UnavailableError: if the database can't be reached; nothing was written.
        """
        return await asyncio.wrap_future(self.submit(operation))

    def submit(self, operation: Callable[[Transaction], T]) -> Future[T]:
        """Like ``write``, for callers outside the event loop."""
        if self._closed:
            raise UnavailableError("the service is stopping")
        job = _Job(operation)
        # A caller that goes away must not take its write back half-way: the future can't be cancelled once taken.
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what has been submitted, then stop."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join(timeout=30)

    def _work(self) -> None:
        while True:
            first = self._jobs.get()
            if first is None:
                return
            group = [first]
            while len(group) < MOST_PER_COMMIT:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    self._jobs.put(None)
                    break
                group.append(job)
            self._commit([job for job in group if job.future.set_running_or_notify_cancel()])

    def _commit(self, group: list[_Job[Any]]) -> None:
        """Do the operations without savepoints first; if one fails, do all again, each in a savepoint of its own.

        A savepoint costs two statements per operation, which is half of the throughput, and hardly any fails.
        """
        left, apart = _TRIES, False
        while True:
            try:
                self._attempt(group, apart=apart)
            except Exception as error:  # noqa: BLE001 - it is the callers', and raised there
                left -= 1
                if left and _is_worth_retrying(error):
                    continue
                if len(group) > 1 and not apart:
                    apart = True
                    continue
                self._fail(group, error)
            else:
                reach("api.commit.done.before-answer")
                self._answer(group)
            return

    def _attempt(self, group: list[_Job[Any]], *, apart: bool) -> None:
        with self._engine.connect() as connection, connection.begin():
            for job in group:
                transaction = Transaction(connection)
                try:
                    with connection.begin_nested() if apart else nullcontext():
                        result = job.operation(transaction)
                except Exception as error:
                    if not apart or _is_worth_retrying(error):
                        raise
                    job.signals = []
                    job.answer = _answer_with_error(job, translated(error))
                else:
                    job.signals = transaction.signals
                    job.answer = _answer_with_result(job, result)

    def _answer(self, group: list[_Job[Any]]) -> None:
        if signals := [signal for job in group for signal in job.signals]:
            self._on_commit(signals)
        for job in group:
            cast("Callable[[], None]", job.answer)()

    def _fail(self, group: list[_Job[Any]], error: Exception) -> None:
        for job in group:
            job.future.set_exception(translated(error))


def translated(error: Exception) -> Exception:
    """Return an error of the database as what it means to the caller; others as they are."""
    translation: Exception = error
    if isinstance(error, DataError | OverflowError):
        # PostgreSQL takes no NUL in text, and no number beyond its column.
        translation = InvalidRequestError("the request has a character or a number that can't be stored (NUL?)")
    elif isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, OperationalError)):
        translation = UnavailableError("the database can't be reached or is full; nothing was written")
    if translation is not error:
        translation.__cause__ = error
    return translation


def _answer_with_result(job: _Job[T], result: T) -> Callable[[], None]:
    return lambda: job.future.set_result(result)


def _answer_with_error(job: _Job[Any], error: Exception) -> Callable[[], None]:
    return lambda: job.future.set_exception(error)


def _is_worth_retrying(error: Exception) -> bool:
    """Two API processes met in the same rows, or the server closed an idle connection before we began."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _SERIALIZATION_FAILURES
