"""Environments of tasks: which interpreters there are, the cache by content, how one is built. Needs no library."""
