"""Newer versions of the agent: found in a signed repository, put beside the others, tried, and kept or given up."""
