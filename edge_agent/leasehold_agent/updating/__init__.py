"""Newer versions of the agent: found in a signed repository, put beside the others, tried, and kept or given up."""

MARK = "LEASEHOLD_UPDATE_TRIAL"
"""Names the record of the trial to the process that takes over."""
