"""How the agent is: named reasons to take no work, and what it measures of itself. Pure rules; others do the I/O."""
