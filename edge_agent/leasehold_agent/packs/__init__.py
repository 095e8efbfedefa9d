"""Packs: Pythons and uv for tasks, that come from the repository of updates. Standard library only."""
