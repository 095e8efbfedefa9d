"""An attempt host in memory: the task protocol, answered from Python objects by the rules of a real host."""
