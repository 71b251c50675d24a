"""What is known of a statement that can be at fault: what it made, and what it should have made."""

from __future__ import annotations

from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from einbackprop.core.records import dataclass
from einbackprop.diagnosis.experiments import Array, Made
from einbackprop.diagnosis.hooks import Site

LINEAR, CURVED = 1e-8, 3e-2
"""How far gradients may be from what a Jacobian says, where they are linear in a value and where they are not."""


@dataclass(eq=False)
class Suspect:
    """A statement that can be at fault.

    Attributes
    ----------
    made : Made
        What it made.
    reach : frozenset of str
        The gradients that depend on it.
    is_fixed : bool
        Whether what it made cannot be shifted.
    names : tuple of str
        The gradients that the rows of the Jacobian stand for: those that have the right shape.
    jacobian : array of (entries of gradients, entries of what it made), or None
        How the gradients depend on what it made; None where that is not known.
    shift : array or None
        By how much what it made is off, as far as the gradients show.
    is_unique : bool
        Whether no other value would do as well, of the entries that gradients depend on.
    grown : tuple of int or None
        The shape that what it made must have, if that is another: what it made is broadcast to that.
    expected : list of array
        What it should have made, run after run, where that is known.
    is_missing : bool
        Whether it stands for a statement that is missing.
    roughness : float
        How far the gradients may be from what the Jacobian says, relative to their largest entries.
    """

    made: Made
    reach: frozenset[str]
    is_fixed: bool = False
    names: tuple[str, ...] = ()
    jacobian: Array | None = None
    shift: Array | None = None
    is_unique: bool = False
    roughness: float = LINEAR
    grown: tuple[int, ...] | None = None
    expected: list[Array] = field(default_factory=list)
    is_missing: bool = False

    @property
    def site(self) -> Site:
        """Where it stands."""
        return self.made.site

    @property
    def is_linear(self) -> bool:
        """Whether it is known exactly how the gradients depend on it."""
        return self.jacobian is not None and self.roughness == LINEAR

    @property
    def is_repeated(self) -> bool:
        """Whether it runs several times: what it reads then may depend on what it made before."""
        return len(self.made.values) > 1

    @property
    def is_known(self) -> bool:
        """Whether it is known what it should have made in each of its runs."""
        return self.shift is not None and self.is_unique

    @property
    def moving(self) -> NDArray[np.bool_]:
        """Which of its entries gradients depend on: on what the last round hands on, none does."""
        assert self.jacobian is not None
        return np.asarray(np.abs(self.jacobian).max(axis=0, initial=0.0) > 0)

    @property
    def is_excluded(self) -> bool:
        """Whether no value of its would set right all gradients that depend on it."""
        return self.is_linear and self.shift is None


def value_of(suspect: Suspect) -> Array | None:
    """The array that a suspect made, if it made just one."""
    return array_of(suspect.made)


def array_of(made: Made) -> Array | None:
    """The array that a statement made, if it made just one, of real numbers."""
    is_one = len(made.values) == 1 == len(made.shapes[0]) and not made.is_complex
    return made.values[0].reshape(made.shapes[0][0]) if is_one else None


def arrays_of(made: Made) -> list[Array]:
    """The arrays that a statement made in its runs, in which it made just one, of real numbers."""
    runs = zip(made.values, made.shapes, strict=True)
    return [value.reshape(shapes[0]) for value, shapes in runs if len(shapes) == 1 and not made.is_complex]


def needed_of(suspect: Suspect) -> Array | None:
    """The array that a suspect should have made, if it made just one and that is known."""
    value = value_of(suspect)
    if value is None or suspect.shift is None or not suspect.is_unique:
        return None
    return np.asarray(value + suspect.shift.reshape(value.shape))
