"""Every message between author and API, agent and API, and task and agent.

Pydantic only. A version of the protocol is one folder (``v1``); it is additive: readers ignore what they don't
know, and nothing that was released changes its meaning.
"""

PROTOCOL_VERSION = 1
"""The newest protocol this package speaks. ``hello`` carries the range that an agent speaks."""
