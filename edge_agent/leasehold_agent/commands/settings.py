"""The settings as one command sees them: its flags on top of environment and file."""

from __future__ import annotations

import os
from argparse import Namespace

from leasehold_agent.config import Loaded, Settings, load
from leasehold_agent.state_owner import become_owner


def settings_from(arguments: Namespace) -> Loaded:
    """Return the effective settings; only flags that were given count.

    Root becomes the user whose state directory it is: what root wrote there, the service could not read.
    """
    flags = {name: value for name, value in vars(arguments).items() if name in Settings.model_fields}
    loaded = load({name: value for name, value in flags.items() if value is not None}, os.environ)
    become_owner(loaded.settings.state_dir)
    return loaded
