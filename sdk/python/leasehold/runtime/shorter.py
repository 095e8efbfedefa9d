"""What goes wrong with a file that shrinks while it is sent."""

from __future__ import annotations


class ShorterError(Exception):
    """A file had fewer bytes than it was said to have."""
