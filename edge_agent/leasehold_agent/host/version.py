"""The versions of the attempt host: the distribution's, known without asking for its metadata, and the protocol's."""

HOST_VERSION = "0.1.0"

TASK_PROTOCOL = 1
"""The newest version of the task protocol that this host speaks."""
OLDEST_TASK_PROTOCOL = 1
"""The oldest one; a binding that does not say which it speaks speaks this one."""
