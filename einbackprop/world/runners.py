"""Functions that are run again and again, each time from where their world began."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .copies import World


class Runner:
    """A copied function of a state: each call begins with everything as it was when it was copied.

    Parameters
    ----------
    world : World
    function : callable
        Takes the state.
    """

    def __init__(self, world: World, function: Callable[[Any], Any]) -> None:
        self.world, self.function = world, function

    def __call__(self, state: Any) -> Any:
        """Run it."""
        return self.world.call(self.function, state)

    def goes_on(self, state: Any) -> Any:
        """Run it with the random numbers that follow those of the call before."""
        return self.world.call(self.function, state, random=False)

    def strictly(self, state: Any) -> Any:
        """Run it so that an imaginary part that would be lost is an error."""
        return self.world.call(self.function, state, strict=True)
