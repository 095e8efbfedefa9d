"""Where the binary agent lies on a machine, and as which service it runs. Standard library only."""
