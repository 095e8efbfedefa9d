"""The form of a room: which paths it answers, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from leasehold_agent.host.http_wire import Answer, Request

Call = Callable[[str, Request], Awaitable[Answer]]
"""Answers a request; the text is what follows the path, when that ends with ``/``."""

Calls = Mapping[str, Mapping[str, Call]]
"""Path → method → what answers. A path that ends with ``/`` stands for all below it."""
