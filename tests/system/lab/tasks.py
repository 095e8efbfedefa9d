"""The tasks that run while things break. Each keeps a record of its own, one file per attempt, appended to as it goes.

A record's lines are ``begin``, ``tick`` and ``end``, each with the time on CLOCK_BOOTTIME; ``child`` names a process.
"""

from __future__ import annotations

LINES = 200
POINTS = 20
LEASE_S = 20

SOURCE = f'''\
"""Tasks of several kinds, each with a record of its own."""

import os
import time

from leasehold import context, dag, metrics, program, task, xcom

LINES, POINTS = {LINES}, {POINTS}
OPTIONS = {{"retries": 3, "retry_delay": "0s", "max_offline": "{LEASE_S}s"}}


class Record:
    def __init__(self, folder):
        self.attempt = os.environ["LEASEHOLD_ATTEMPT"]
        self.fd = os.open(f"{{folder}}/{{self.attempt}}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.note("begin")

    def note(self, word, *more):
        os.write(self.fd, " ".join([word, repr(time.clock_gettime(time.CLOCK_BOOTTIME)), *more, "\\n"]).encode())

    def rest(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.note("tick")
            time.sleep(0.05)


@task(**OPTIONS)
def short(folder):
    record = Record(folder)
    metrics.count("done")
    record.note("end")
    return {{"attempt": record.attempt}}


@task(**OPTIONS)
def chatty(folder):
    record = Record(folder)
    for number in range(LINES):
        print("line", number, flush=number % 10 == 0)
        if number % 10 == 0:
            record.note("tick")
            time.sleep(0.03)
    record.note("end")
    return {{"attempt": record.attempt}}


@task(**OPTIONS)
def measured(folder):
    record = Record(folder)
    for number in range(POINTS):
        metrics.count("points")
        xcom.push("progress", number)
        record.rest(0.02)
    xcom.push("large", record.attempt + "x" * 300_000)
    record.note("end")
    return {{"attempt": record.attempt}}


@task(**OPTIONS)
def forks(folder):
    record = Record(folder)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            record.note("child", str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    os.wait()
    record.rest(0.5)
    record.note("end")
    return {{"attempt": record.attempt}}


@task(**OPTIONS)
def flaky(folder):
    record = Record(folder)
    record.rest(0.1)
    record.note("end")
    if context().try_number == 1:
        raise ConnectionError("not yet")
    return {{"attempt": record.attempt}}


@task(**OPTIONS)
def gathers(folder, *earlier):
    record = Record(folder)
    record.rest(0.2)
    record.note("end")
    return {{"attempt": record.attempt, "earlier": [value["attempt"] for value in earlier]}}


@task(**OPTIONS)
def endless(folder):
    record = Record(folder)
    print("line 0", flush=True)
    record.rest(600)


@dag
def mixed(folder: str):
    first = [short(folder), chatty(folder), measured(folder), forks(folder), flaky(folder)]
    gathers(folder, *first)


@dag
def cancelled(folder: str):
    endless(folder)
'''
