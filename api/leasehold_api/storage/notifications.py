"""Signals between API processes that share a PostgreSQL, by LISTEN and NOTIFY on a connection of their own.

Outside the transactions that cause them: one that contains NOTIFY takes a global lock when it commits. Signals wait for
each other in a queue here and travel together. One that is lost costs time, never work.
"""

from __future__ import annotations

import json
import logging
import queue
import secrets
import threading
from collections.abc import Callable

import psycopg

from leasehold_api.signals import Signal, Topic

log = logging.getLogger(__name__)

CHANNEL = "leasehold_signals"
MOST_PER_MESSAGE = 50  # each under 100 bytes; PostgreSQL takes payloads of 8000
RETRY_S = 1.0


class Notifications:
    """Two threads: one tells the other processes, one hears them."""

    def __init__(self, conninfo: str, *, heard: Callable[[list[Signal]], None]) -> None:
        self._conninfo = conninfo
        self._heard = heard
        self._me = secrets.token_hex(6)
        self._outgoing: queue.SimpleQueue[Signal | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._persist, args=(self._tell_all,), name="notify", daemon=True),
            threading.Thread(target=self._persist, args=(self._hear_all,), name="listen", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def tell(self, signals: list[Signal]) -> None:
        """Send signals to the other processes, soon."""
        for signal in signals:
            self._outgoing.put(signal)

    def close(self) -> None:
        """Stop both threads."""
        self._stopping.set()
        self._outgoing.put(None)
        for thread in self._threads:
            thread.join(timeout=5)

    def _persist(self, work: Callable[[psycopg.Connection], None]) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(
                    self._conninfo, autocommit=True, application_name="leasehold-api signals"
                ) as connection:
                    work(connection)
            except psycopg.Error as error:
                log.warning("signals between API processes are interrupted", extra={"cause": str(error)})
                self._stopping.wait(RETRY_S)

    def _tell_all(self, connection: psycopg.Connection) -> None:
        while not self._stopping.is_set():
            first = self._outgoing.get()
            together: list[Signal] = [] if first is None else [first]
            while len(together) < MOST_PER_MESSAGE and not self._outgoing.empty():
                signal = self._outgoing.get()
                if signal is not None:
                    together.append(signal)
            if together:
                payload = json.dumps([self._me, *([signal.topic.value, signal.key] for signal in together)])
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))

    def _hear_all(self, connection: psycopg.Connection) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        while not self._stopping.is_set():
            for notification in connection.notifies(timeout=1.0, stop_after=1):
                sender, *pairs = json.loads(notification.payload)
                if sender != self._me:
                    self._heard([Signal(Topic(topic), key) for topic, key in pairs])
