"""Half-open intervals of byte strings, asked which of them overlap another.

An interval tree (Cormen, Leiserson, Rivest, Stein: Introduction to Algorithms, "Augmenting Data Structures"): a search tree by lower end
in which each node knows the highest upper end below it. It keeps its shape as a treap (Seidel, Aragon: Randomized Search Trees,
Algorithmica 16, 1996, https://doi.org/10.1007/BF01940876) whose priorities are hashes, as that paper's section on them proposes: the shape
depends on what is in the tree, not on the order in which it came. Python keys its hash of bytes anew in each process, so that no caller can
choose ends that unbalance it.
"""

from collections.abc import Hashable
from typing import Generic, Self, TypeVar

from datastore.holders import Several, gather, hold, release

K = TypeVar("K", bound=Hashable)


class _Node(Generic[K]):
    """One distinct interval, `[low, high)`, and who holds it; `reach` is the highest `high` at or below this node."""

    __slots__ = ("high", "holders", "left", "low", "priority", "reach", "right")

    def __init__(self, low: bytes, high: bytes, holder: K) -> None:
        self.low = low
        self.high = high
        self.holders: K | Several[K] = holder
        self.priority = hash((low, high))
        self.reach = high
        self.left: Self | None = None
        self.right: Self | None = None

    def measure(self) -> None:
        """Set `reach` anew after a change below."""
        reach = self.high
        if self.left is not None and self.left.reach > reach:
            reach = self.left.reach
        if self.right is not None and self.right.reach > reach:
            reach = self.right.reach
        self.reach = reach


class IntervalTree(Generic[K]):
    """A multimap from intervals to keys. With n distinct intervals, adding and discarding take O(log n) expected time."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node[K] | None = None

    def __bool__(self) -> bool:
        return self._root is not None

    def add(self, low: bytes, high: bytes, key: K) -> None:
        """Let `key` hold `[low, high)`; twice is as once. An empty interval is left out: nothing lies in it."""
        if low >= high:
            return
        node = _find(self._root, low, high)
        if node is None:
            self._root = _insert(self._root, _Node(low, high, key))
        else:
            node.holders = hold(node.holders, key)

    def discard(self, low: bytes, high: bytes, key: K) -> None:
        """Let `key` hold `[low, high)` no longer, if it did."""
        node = _find(self._root, low, high)
        if node is None:
            return
        left = release(node.holders, key)
        if left is None:
            self._root = _remove(self._root, low, high)
        else:
            node.holders = left

    def overlapping(self, low: bytes, high: bytes, into: set[K]) -> None:
        """Add to `into` each key that holds an interval with which `[low, high)`, not empty, has a point in common.

        O(log n) expected time where there is one or none; O(min(n, m log n)) at worst for m of them, near O(m) where they are neighbours.
        """
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if node is None or node.reach <= low:
                continue
            waiting.append(node.left)
            if node.low < high:
                waiting.append(node.right)
                if low < node.high:
                    gather(node.holders, into)


def _find(node: _Node[K] | None, low: bytes, high: bytes) -> _Node[K] | None:
    while node is not None and (node.low != low or node.high != high):
        node = node.left if (low, high) < (node.low, node.high) else node.right
    return node


def _insert(node: _Node[K] | None, new: _Node[K]) -> _Node[K]:
    """The subtree with `new` in it, which must not be there yet."""
    if node is None:
        return new
    if new.priority > node.priority:
        new.left, new.right = _split(node, new.low, new.high)
        new.measure()
        return new
    if (new.low, new.high) < (node.low, node.high):
        node.left = _insert(node.left, new)
    else:
        node.right = _insert(node.right, new)
    node.measure()
    return node


def _remove(node: _Node[K] | None, low: bytes, high: bytes) -> _Node[K] | None:
    """The subtree without the node of `[low, high)`."""
    if node is None:
        return None
    if node.low == low and node.high == high:
        return _merge(node.left, node.right)
    if (low, high) < (node.low, node.high):
        node.left = _remove(node.left, low, high)
    else:
        node.right = _remove(node.right, low, high)
    node.measure()
    return node


def _split(node: _Node[K] | None, low: bytes, high: bytes) -> tuple[_Node[K] | None, _Node[K] | None]:
    """The nodes below `(low, high)` in the tree's order, and the others."""
    if node is None:
        return None, None
    if (node.low, node.high) < (low, high):
        node.right, above = _split(node.right, low, high)
        node.measure()
        return node, above
    below, node.left = _split(node.left, low, high)
    node.measure()
    return below, node


def _merge(below: _Node[K] | None, above: _Node[K] | None) -> _Node[K] | None:
    """One tree of two, where all of `below` comes before all of `above`."""
    if below is None or above is None:
        return above if below is None else below
    if below.priority > above.priority:
        below.right = _merge(below.right, above)
        below.measure()
        return below
    above.left = _merge(below, above.left)
    above.measure()
    return above
