"""Kinds of caller, for walks over every route: how each calls, and what each has to be told.

A new kind is one more ``CallerKind`` in one of the lists: a name, what makes its call, and its row of right answers.
"""

from __future__ import annotations

from tests.support.callers.agents import AGENTS
from tests.support.callers.agents import TASKS as TASKS
from tests.support.callers.browsers import BROWSERS
from tests.support.callers.cast import CallerKind
from tests.support.callers.nonsense import NONSENSE
from tests.support.callers.people import API_TOKENS, USERS
from tests.support.callers.programs import SERVICE_CLIENTS

PEOPLE: list[CallerKind] = [*API_TOKENS, *USERS]
PROGRAMS: list[CallerKind] = [*SERVICE_CLIENTS, *AGENTS]
OTHERS: list[CallerKind] = [*BROWSERS, *NONSENSE]
KINDS: list[CallerKind] = [*PEOPLE, *PROGRAMS, *TASKS, *OTHERS]
