"""What an attempt host takes from a task and what it says to the rest: pure rules, the same at a site and in a test.

The attempt host of the agent and the one in memory (``leasehold.testing``, and scripts run by hand) both answer with
them, so that a test that passes has seen the errors of a site. Task processes import none of this.
"""
