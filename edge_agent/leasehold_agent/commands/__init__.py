"""One module per command of ``edge-agent``."""
