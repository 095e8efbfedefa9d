"""Warm starts as the agent's side sees them: the zygotes of tasks, and hosts that let them start theirs."""
