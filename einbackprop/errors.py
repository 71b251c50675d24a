"""The errors that einbackprop raises on purpose.

Every message shows the value that triggered it, names the tensor, the letter and both sizes where
there are any, and says what to do.
"""

from einbackprop.core.source import name_of
from einbackprop.core.visible import visible


class EinbackpropError(Exception):
    """Base class: whatever einbackprop raises on purpose is one of these.

    Its text is safe for a terminal, whatever names and values of the user's stand in it.
    """

    def __str__(self) -> str:
        return visible(super().__str__(), keep="\n")


class SubscriptsError(EinbackpropError, ValueError):
    """The subscripts string is malformed; the message has a caret under the offending character."""


class ShapeError(EinbackpropError, ValueError):
    """A letter has two sizes, or an array has another number of axes than its letters."""


class GradientError(EinbackpropError, AssertionError):
    """A gradient was found to be wrong, and the caller asked for an exception."""


class ScriptError(EinbackpropError):
    """A user's script or expression could not be used: missing, or it raised."""


class NothingError(ScriptError):
    """Nothing in a script was found to give gradients."""


class RefusedError(EinbackpropError):
    """The user's code uses something that a private copy of it cannot have: an iterator, a file, the process."""


class CodeError(ScriptError):
    """The user's code raised an exception: what was run, on which line it stopped, and what was said.

    Attributes
    ----------
    what : str
        ``the loss`` or ``the gradients``.
    place : (file, line, function) or None
    said : str
        The exception's class and message, or what is the matter in index notation.
    """

    def __init__(self, what: str, place: tuple[str, int, str] | None, said: str) -> None:
        where = ""
        if place is not None:
            within = "" if place[2] in ("<module>", "<lambda>") else f", in {place[2]}"
            where = f"{name_of(place[0])}, line {place[1]}{within}: "
        super().__init__(f"{what}: {where}{said}")
        self.what, self.place, self.said = what, place, said


class DtypeError(EinbackpropError, TypeError):
    """An array holds what the operation has no meaning for, such as strings."""


class TraceError(EinbackpropError):
    """The user's code did something that a trace cannot follow; the message names the line and what to do."""


class NotationError(EinbackpropError, ValueError):
    """A program or equation cannot be written as source or as text; the message names what stands in the way."""


class FunctionError(EinbackpropError, ValueError):
    """A pointwise function is unknown, got another number of operands, or has no value for their dtype."""


class DerivationError(EinbackpropError, ValueError):
    """A derivative was asked for where there is none; the message names the value, the line and the reason."""


class UndecidedError(EinbackpropError):
    """Whether two formulas are the same was not decided: one grew too large, or a rule is missing."""


class RangeError(EinbackpropError, ValueError):
    """A number is outside the range that it may have: a class label, a token, a probability."""


class ArgumentError(EinbackpropError, ValueError):
    """A compiled function was called with other arguments than it was compiled for."""


class OptionError(EinbackpropError, ValueError):
    """An option has a value that it cannot have, or does not go with another one."""


class DataError(EinbackpropError, ValueError):
    """What was to be trained on cannot be used: a file that is missing, empty, too short, or no text."""


class CheckpointError(EinbackpropError):
    """A file is no checkpoint, or one of another training; it was not written to."""


class BackendError(EinbackpropError, ValueError):
    """There is no such backend for plans, or what it needs is not installed."""


class ShardingError(EinbackpropError, ValueError):
    """Letters cannot lie on the axes of a mesh in this way."""
