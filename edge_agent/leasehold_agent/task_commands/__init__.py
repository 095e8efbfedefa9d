"""``edge-agent task``: the task protocol for shell scripts. Standard library and the SDK's wire only: it starts fast."""
