"""The attempt host: a small process that owns one attempt, needing neither the agent nor the network.

Standard library only (and the SDK's expressions): hosts are forked from a warm zygote and must stay small.
"""
