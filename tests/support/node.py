"""Node, where tests need one."""

from __future__ import annotations

import shutil

import pytest


def node() -> str:
    """Return the program; skip the test where there is none."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not on this machine")
    return found
