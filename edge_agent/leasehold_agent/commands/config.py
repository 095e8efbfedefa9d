"""``edge-agent config``: the effective settings, and where each one comes from."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from leasehold_agent.commands.settings import settings_from
from leasehold_agent.exits import Exit


def run(arguments: Namespace) -> Exit:
    """Print every setting."""
    loaded = settings_from(arguments)
    values = loaded.settings.model_dump(mode="json")
    if arguments.json:
        document = {name: {"value": value, "from": loaded.origins[name]} for name, value in values.items()}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return Exit.OK
    width = max(len(name) for name in values)
    for name, value in values.items():
        sys.stdout.write(f"{name:<{width}}  {json.dumps(value, ensure_ascii=False)}  ({loaded.origins[name]})\n")
    return Exit.OK
