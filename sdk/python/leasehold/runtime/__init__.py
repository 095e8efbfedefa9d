"""What a running task may ask and tell: connections, variables, results, log, metrics.

Nothing is imported here: a task process pays only for the modules it uses.
"""
