"""The Merkle tree over a DAG's tasks (RFC 9162, 2.1): one root is signed, and each task is proved by a short path.

Leaves and nodes are hashed with different first bytes, so that no leaf can pass for a node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise

Digest = bytes


def leaf(data: bytes) -> Digest:
    """Return the hash of one entry."""
    return hashlib.sha256(b"\0" + data).digest()


def _node(left: Digest, right: Digest) -> Digest:
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """The tree over some leaves, one at least."""

    def __init__(self, leaves: Sequence[Digest]) -> None:
        if not leaves:
            raise ValueError("a tree has a leaf at least")
        self._levels = [list(leaves)]
        # From the bottom up: what has no neighbour rises as it is, which gives RFC 9162's tree.
        while len(below := self._levels[-1]) > 1:
            level = [_node(left, right) for left, right in list(pairwise(below))[::2]]
            self._levels.append(level if len(below) % 2 == 0 else [*level, below[-1]])

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return len(self._levels[0])

    @property
    def root(self) -> Digest:
        """What stands for all leaves in their order."""
        return self._levels[-1][0]

    def path(self, index: int) -> list[Digest]:
        """Return the hashes beside a leaf's way to the root, from the bottom up."""
        found: list[Digest] = []
        for level in self._levels[:-1]:
            if (beside := index ^ 1) < len(level):
                found.append(level[beside])
            index >>= 1
        return found


def root_by(path: Sequence[Digest], data: Digest, *, index: int, size: int) -> Digest | None:
    """Return the root that a leaf's path leads to; none when a tree of this size has no such path."""
    if not 0 <= index < size:
        return None
    rest = list(reversed(path))
    last = size - 1
    while last > 0:
        if index % 2 or index < last:
            if not rest:
                return None
            beside = rest.pop()
            data = _node(beside, data) if index % 2 else _node(data, beside)
        index, last = index >> 1, last >> 1
    return None if rest else data
