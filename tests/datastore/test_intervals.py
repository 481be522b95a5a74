import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from datastore.intervals import IntervalTree, _Node

# Few letters, so that equal ends and points on an end are common.
ENDS = st.binary(max_size=2).map(lambda raw: bytes(byte % 4 for byte in raw))
KEYS = st.sampled_from(["till 1", "till 2", frozenset({"a key that is a set"})])
Key = str | frozenset[str]


class TreeBesideASet(RuleBasedStateMachine):
    """The tree and a plain set of (low, high, key) get the same orders and give the same answers."""

    def __init__(self) -> None:
        super().__init__()
        self.tree: IntervalTree[Key] = IntervalTree()
        self.model: set[tuple[bytes, bytes, Key]] = set()

    @rule(low=ENDS, high=ENDS, key=KEYS)
    def add(self, low: bytes, high: bytes, key: Key) -> None:
        self.tree.add(low, high, key)
        if low < high:
            self.model.add((low, high, key))

    @rule(low=ENDS, high=ENDS, key=KEYS)
    def discard_what_may_not_be_there(self, low: bytes, high: bytes, key: Key) -> None:
        self.tree.discard(low, high, key)
        self.model.discard((low, high, key))

    @rule(data=st.data())
    def discard_what_is_there(self, data: st.DataObject) -> None:
        if self.model:
            held = data.draw(st.sampled_from(sorted(self.model, key=repr)))
            self.tree.discard(*held)
            self.model.discard(held)

    @rule(point=ENDS)
    def ask_for_a_point(self, point: bytes) -> None:
        found: set[Key] = set()
        self.tree.overlapping(point, point + b"\x00", found)
        assert found == {key for low, high, key in self.model if low <= point < high}

    @rule(low=ENDS, high=ENDS)
    def ask_for_an_interval(self, low: bytes, high: bytes) -> None:
        if low < high:
            found: set[Key] = set()
            self.tree.overlapping(low, high, found)
            assert found == {key for other_low, other_high, key in self.model if max(low, other_low) < min(high, other_high)}

    @invariant()
    def it_is_empty_when_nothing_is_held(self) -> None:
        assert bool(self.tree) is bool(self.model)

    @invariant()
    def it_is_a_search_tree_a_heap_and_knows_its_reach(self) -> None:
        check(self.tree._root)


TestTreeBesideASet = TreeBesideASet.TestCase
TestTreeBesideASet.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def check(node: _Node[Key] | None) -> tuple[list[tuple[bytes, bytes]], int, bytes]:
    """The intervals at and below a node in order, its depth and its reach, all of them found sound."""
    if node is None:
        return [], 0, b""
    before, left_depth, left_reach = check(node.left)
    after, right_depth, right_reach = check(node.right)
    order = [*before, (node.low, node.high), *after]
    assert order == sorted(set(order))
    assert all(child is None or child.priority <= node.priority for child in (node.left, node.right))
    assert node.reach == max(node.high, left_reach, right_reach)
    return order, max(left_depth, right_depth) + 1, node.reach


def test_it_stays_sound_through_thousands_of_intervals() -> None:
    chance = random.Random(7)
    tree: IntervalTree[Key] = IntervalTree()
    held: list[tuple[bytes, bytes, Key]] = []
    for turn in range(3_000):
        if held and chance.random() < 0.45:
            tree.discard(*held.pop(chance.randrange(len(held))))
        else:
            low, high = sorted((chance.randbytes(3), chance.randbytes(4)))
            held.append((low, high, f"till {turn}"))
            tree.add(*held[-1])
        if turn % 20 == 0:
            order, depth, _ = check(tree._root)
            assert order == sorted((low, high) for low, high, _ in held)
            assert depth < 60


def test_to_hold_an_interval_twice_is_to_hold_it_once() -> None:
    tree: IntervalTree[Key] = IntervalTree()
    tree.add(b"a", b"b", "till 1")
    tree.add(b"a", b"b", "till 1")
    tree.discard(b"a", b"b", "till 1")

    assert not tree


class CountedEnd(bytes):
    """An end that counts how often it is compared."""

    comparisons = 0

    def __ge__(self, other: bytes) -> bool:
        CountedEnd.comparisons += 1
        return bytes(self) >= other

    def __gt__(self, other: bytes) -> bool:
        CountedEnd.comparisons += 1
        return bytes(self) > other

    def __lt__(self, other: bytes) -> bool:
        CountedEnd.comparisons += 1
        return bytes(self) < other


@pytest.mark.slow
def test_looking_a_point_up_among_thousands_compares_it_a_few_dozen_times() -> None:
    tree: IntervalTree[int] = IntervalTree()
    # In ascending order, which would make a list of a tree that does not balance itself; and some wide ones around them.
    for i in range(20_000):
        tree.add(i.to_bytes(4), (i + 1).to_bytes(4), i)
    for i in range(10):
        tree.add(i.to_bytes(1), b"\x01", -1)

    found: set[int] = set()
    CountedEnd.comparisons = 0
    point = (12_345).to_bytes(4) + b"x"
    tree.overlapping(CountedEnd(point), CountedEnd(point + b"\x00"), found)

    assert found == {12_345, -1}
    # 2 ln 20,000 is 20; each node on the way takes up to three comparisons.
    assert 0 < CountedEnd.comparisons < 250
