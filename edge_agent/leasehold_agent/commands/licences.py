"""``edge-agent licences``: whose code is in the binary."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from leasehold_agent.about import licences
from leasehold_agent.exits import Exit, OperatorError


def run(arguments: Namespace) -> Exit:
    """List what is inside, or print one's texts."""
    inside = licences()
    if not inside:
        raise OperatorError(
            Exit.NOT_FOUND,
            "This edge-agent is no binary: its libraries lie beside it with licences of their own.",
            "pip lists them: python -m pip list; each one's licence is in its .dist-info folder.",
        )
    if arguments.name is not None:
        inside = [one for one in inside if one.name.lower() == arguments.name.lower()]
    if not inside:
        raise OperatorError(
            Exit.NOT_FOUND, f"Nothing in this binary is called {arguments.name}.", "edge-agent licences lists what is."
        )
    if arguments.json:
        sys.stdout.write(json.dumps([one._asdict() for one in inside], indent=2, ensure_ascii=False) + "\n")
    elif arguments.name is not None:
        sys.stdout.write("\n\n".join(text for one in inside for text in one.texts) + "\n")
    else:
        width = max(len(f"{one.name} {one.version}") for one in inside)
        sys.stdout.writelines(f"{f'{one.name} {one.version}':{width}}  {one.licence}\n" for one in inside)
    return Exit.OK
