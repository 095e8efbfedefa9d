"""A TUF repository of agents, made by hand: keys offline, changes staged, signatures gathered, then published."""
