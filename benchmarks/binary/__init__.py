"""What ``make bench-binary`` measures: the agent as sites get it, each figure beside its limit."""
