"""How examples are put into a command's help."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Return the end of a command's help: how it is typed."""
    # A blank line between them is what keeps the help from running them together; "[" would begin rich's markup.
    return "\n\n".join(["Example:", *(f"$ {line}".replace("[", "\\[") for line in lines)])
