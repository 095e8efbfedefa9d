"""What browsers call themselves, in words that people know. Nothing is decided by it."""

from __future__ import annotations

# The order counts: each of these also has the names of those below it.
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str | None) -> str:
    """Return like ``Firefox on Linux``; what is not known is shown as it calls itself."""
    if not user_agent:
        return "a browser that does not say its name"
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if browser is None:
        return user_agent[:80]
    return f"{browser} on {system}" if system else browser
