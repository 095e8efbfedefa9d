"""``leasehold dev``: the real engine on this machine, for one DAG file, for as long as somebody works on it."""
