"""``leasehold runs``, put together."""

from __future__ import annotations

from leasehold.cli.commands import pruning, run_operations
from leasehold.cli.commands.run_list import app

run_operations.add_to(app)
pruning.add_to(app)

__all__ = ["app"]
