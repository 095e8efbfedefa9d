"""Warm starts: a process that has the SDK imported forks each task, in the author's interpreter.

Three processes, one after the other: the *task zygote* forks a *keeper* per task, and the keeper forks the task.
None of this is imported by a task that starts with a fresh interpreter.
"""
