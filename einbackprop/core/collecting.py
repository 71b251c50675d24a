"""Pairs of a key and something else, collected by their keys, in the order in which the keys come first."""

from collections.abc import Hashable, Iterable
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """What each key comes with."""
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def summed(pairs: Iterable[tuple[K, Any]]) -> dict[K, Any]:
    """The sum of the numbers that each key comes with; keys whose numbers cancel are left out."""
    sums: dict[K, Any] = {}
    for key, number in pairs:
        sums[key] = sums.get(key, 0) + number
        if not sums[key]:
            del sums[key]
    return sums
