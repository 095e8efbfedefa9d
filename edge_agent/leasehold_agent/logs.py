"""The agent's own log on standard error: short constant text, then facts as ``name=value``."""

from __future__ import annotations

import json
import logging

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FactsFormatter(logging.Formatter):
    """One line per record; what was passed as ``extra`` stands at its end."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = {name: value for name, value in vars(record).items() if name not in _KNOWN and value is not None}
        text = super().format(record)
        return " ".join([text, *(f"{name}={_plain(value)}" for name, value in facts.items())])


def _plain(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and " " not in text and '"' not in text else json.dumps(text)


def configure(level: str) -> None:
    """Send the agent's log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(FactsFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "apscheduler"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
