"""``edge-agent task``: the task protocol for shell scripts. It imports little, to start fast."""
