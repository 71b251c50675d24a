"""The loss of a function that returns it with its gradients, where these stop with an error: what it was by then."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from einbackprop.checking import naming
from einbackprop.core.progress import frames_of
from einbackprop.core.records import dataclass
from einbackprop.world.ownership import is_users


@dataclass(frozen=True)
class LeftLoss:
    """Where a loss stands when an error leaves the function that would have returned it.

    Attributes
    ----------
    file, line
        Where that function begins.
    text
        What its ``return`` has in the place of the loss: a name, or any other expression.
    place
        Its place among what is returned.
    """

    file: str
    line: int
    text: str
    place: int

    def of(self, both: Callable[..., Any]) -> Callable[..., Any]:
        """The loss as a function of the same arguments: at its place in what is returned, else as an error left it."""
        def loss(*arguments: Any) -> Any:
            try:
                return both(*arguments)[self.place]
            except Exception as error:
                for frame in _users_frames(error):
                    if (frame.f_code.co_filename, frame.f_code.co_firstlineno) == (self.file, self.line):
                        with suppress(NameError, AttributeError, LookupError):  # it was not made yet
                            return _value(self.text, frame)
                raise

        return loss


def left_loss(
    error: BaseException, is_loss: Callable[[str], bool], is_number: Callable[[Any], bool]
) -> LeftLoss | None:
    """Where the loss stands that the functions which an error left would have returned; None where it was not made yet.

    Of what a ``return`` shows, it is the first that is called a loss and is a number by then, else the first place, if
    that is one.
    """
    for frame in _users_frames(error):
        code = frame.f_code
        for node in naming.displays_in(code):
            shown = [(place, ast.unparse(item)) for place, item in enumerate(node.elts)]
            named = [one for one, item in zip(shown, node.elts, strict=True)
                     if isinstance(item, ast.Name | ast.Attribute) and is_loss(one[1])]  # fmt: skip
            for place, text in named or shown[:1]:
                with suppress(Exception):  # it was not made yet, or is what stops
                    if is_number(_value(text, frame)):
                        return LeftLoss(code.co_filename, code.co_firstlineno, text, place)
    return None


def _users_frames(error: BaseException) -> list[types.FrameType]:
    """The frames of the user's that an error left, the outermost first."""
    return [frame for frame, _ in frames_of(error) if is_users(frame.f_code.co_filename)]


def _value(text: str, frame: types.FrameType) -> Any:
    """The value of an expression in a frame. Raises what it raises."""
    return eval(compile(text, "<loss>", "eval"), frame.f_globals, dict(frame.f_locals))
