"""Who holds a thing: mostly one key, sometimes several.

The matcher keeps millions of these; a set for each would cost 216 bytes where one reference does.
"""

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


class Several(set[K]):
    """Two or more keys: a type of its own, so that a key may itself be a (frozen) set."""


def hold(holders: "K | Several[K] | None", key: K) -> "K | Several[K]":
    """The holders with `key` among them; None stands for nobody, so that no key is None."""
    if holders is None or holders == key:
        return key
    if isinstance(holders, Several):
        holders.add(key)
        return holders
    return Several((holders, key))


def release(holders: "K | Several[K]", key: K) -> "K | Several[K] | None":
    """The holders without `key`, None where nobody is left."""
    if isinstance(holders, Several):
        holders.discard(key)
        return holders if len(holders) > 1 else next(iter(holders))
    return None if holders == key else holders


def gather(holders: "K | Several[K]", into: set[K]) -> None:
    """Add every holder to `into`."""
    if isinstance(holders, Several):
        into |= holders
    else:
        into.add(holders)
