"""A script run by hand, with no agent: where it finds what an agent would give it."""
