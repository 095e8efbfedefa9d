"""The trigger rules that an author may give a task, by Airflow's names."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    TriggerRule = Literal[
        "all_success",
        "all_failed",
        "all_done",
        "all_done_min_one_success",
        "all_skipped",
        "one_success",
        "one_failed",
        "one_done",
        "none_failed",
        "none_failed_min_one_success",
        "none_skipped",
        "always",
    ]

TRIGGER_RULES = (
    "all_success",
    "all_failed",
    "all_done",
    "all_done_min_one_success",
    "all_skipped",
    "one_success",
    "one_failed",
    "one_done",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "always",
)

OF_TEARDOWNS = "all_done_setup_success"
"""The rule that every teardown has, and no other task."""


def trigger_rule(value: object) -> str:
    """Return ``value`` if it is a trigger rule.

    Raises:
        ValueError: if it is none; the message suggests the nearest.
    """
    if value in TRIGGER_RULES:
        return str(value)
    if value == OF_TEARDOWNS:
        raise ValueError("that is the rule of teardowns: put @teardown on the function, or say .as_teardown()")
    from difflib import get_close_matches

    near = get_close_matches(value.lower(), TRIGGER_RULES, n=1) if isinstance(value, str) else []
    there_are = f"there are {', '.join(TRIGGER_RULES)}"
    raise ValueError(f"no such trigger rule; did you mean {near[0]!r}? ({there_are})" if near else f"{there_are}")
