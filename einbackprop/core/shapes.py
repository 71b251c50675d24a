"""The shapes of a function's arrays, declared once: by name and in letters.

An einsum can hold one letter to one size, but it cannot know that its operand is called `W2`. A
declaration can, and it is what a reader wants to see first::

    @declare_shapes("W[i,j], x[j,b], c[i]")
    def linear(W, x, c): ...

One letter has one size throughout a declaration. A size of 1 is a size like any other: it does not
stretch, as it would under NumPy's broadcasting.
"""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from operator import attrgetter, call
from typing import Any, NamedTuple, ParamSpec, TypeVar

from einbackprop.errors import ShapeError, SubscriptsError

P = ParamSpec("P")
R = TypeVar("R")
Shape = tuple[int, ...]

_TENSOR = r"\w+\[(?:\w(?:,\w)*)?\]"
_ITEM = re.compile(rf"{_TENSOR}|\({_TENSOR}(?:,\s*{_TENSOR})*\)")
_SEPARATOR = re.compile(r",\s*|\Z")
_CACHED = 1024  # accepted combinations of shapes that a function remembers


class Tensor(NamedTuple):
    """A declared array: its name, and one letter for each of its axes."""

    name: str
    letters: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}[{','.join(self.letters)}]"


Shapes = dict[Tensor, Shape]


def parse(declaration: str) -> list[Tensor | list[Tensor]]:
    """Read a declaration: one item an argument, a list of tensors where the argument is a list.

    Raises
    ------
    SubscriptsError
        With a caret under the first character that fits no tensor.

    Examples
    --------
    >>> for item in parse("(W[i,j], c[i]), x[j,b], rate[]"):
    ...     print(item if isinstance(item, Tensor) else [str(tensor) for tensor in item])
    ['W[i,j]', 'c[i]']
    x[j,b]
    rate[]
    """
    items: list[Tensor | list[Tensor]] = []
    position = 0
    while item := _ITEM.match(declaration, position):
        tensors = [
            Tensor(name, tuple(letters.replace(",", "")))
            for name, letters in re.findall(r"(\w+)\[([\w,]*)\]", item[0])
        ]
        items.append(tensors if item[0].startswith("(") else tensors[0])
        position = item.end()
        separator = _SEPARATOR.match(declaration, position)
        if not separator:
            break
        if not separator[0]:
            return items
        position = separator.end()
    raise SubscriptsError(
        f"not a declaration of shapes:\n  {declaration}\n  {' ' * position}^\n"
        "Write each array as name[letters], as in W[i,j], and a list of arrays in parentheses."
    )


def declare_shapes(declaration: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function refuse arrays whose shapes are not the declared ones.

    Only `.shape` is read, so that anything with a shape can be passed: an array of another library,
    or one that records what is done to it.

    Parameters
    ----------
    declaration
        The first arguments, in order: `name[letters]` for an array, several of them in parentheses
        for a list or tuple of arrays, as in `"(W[i,j], c[i]), x[j,b]"`. A Python number may stand
        for an array without letters. Arguments after the declared ones are not looked at.

    Raises
    ------
    ShapeError
        When the function is called: a letter has two sizes, an array has another number of axes
        than letters, a list has another number of arrays. The message names the arrays, the letter,
        both sizes and both shapes. Or the function divides by the size of an axis, and it is 0.
    SubscriptsError
        At once, when the declaration cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> @declare_shapes("W[i,j], x[j,b], c[i]")
    ... def linear(W, x, c):
    ...     return np.einsum("ij,jb->ib", W, x) + np.einsum("i,b->ib", c, np.ones(x.shape[1]))
    >>> linear(np.ones((4, 3)), np.ones((3, 5)), np.ones(4)).shape
    (4, 5)
    >>> linear(np.ones((4, 3)), np.ones((3, 5)), np.ones(1))
    Traceback (most recent call last):
    einbackprop.errors.ShapeError: linear: c[i] has i = 1 (shape (1,)), but W[i,j] has i = 4
    (shape (4, 3)). One letter has one size, and a size of 1 does not stretch: c should have the
    shape (4,).
    """
    declared = parse(declaration)
    shapes_of = [attrgetter("shape") if isinstance(it, Tensor) else _shapes for it in declared]

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        accepted: set[tuple[Any, ...]] = set()

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given = signature.bind(*args, **kwargs).args if kwargs else args
            try:
                shapes = tuple(map(call, shapes_of, given))
            except (AttributeError, TypeError):  # something has no shape: the slow road says what
                shapes = ()
            if shapes not in accepted and len(given) >= len(declared):  # else Python's own error
                _require(declared, given, function.__name__, list(signature.parameters))
                if len(accepted) >= _CACHED:
                    accepted.clear()
                if shapes:
                    accepted.add(shapes)
            try:
                return function(*args, **kwargs)
            except ZeroDivisionError:
                empty = _empty(declared, given)
                if empty is None:
                    raise
            raise ShapeError(
                f"{function.__name__}: {empty}. A mean over nothing is 0/0: pass arrays that are not empty."
            )

        return checked

    return decorate


def _empty(declared: Sequence[Tensor | list[Tensor]], given: Sequence[Any]) -> str | None:
    """The first declared array with an axis of size 0, and that axis."""
    for item, value in zip(declared, given, strict=False):
        pairs = [(item, value)] if isinstance(item, Tensor) else zip(item, value, strict=False)
        for tensor, array in pairs:
            for letter, size in zip(tensor.letters, getattr(array, "shape", ()), strict=False):
                if size == 0:
                    return f"{tensor} has {letter} = 0 (shape {tuple(array.shape)})"
    return None


def _shapes(arrays: Sequence[Any]) -> tuple[Shape, ...]:
    return tuple([array.shape for array in arrays])


def _require(
    declared: Sequence[Tensor | list[Tensor]],
    given: Sequence[Any],
    function: str,
    parameters: Sequence[str],
) -> None:
    """Raise the ShapeError that explains what does not fit, if anything does not."""
    shapes: Shapes = {}
    for item, value, parameter in zip(declared, given, parameters, strict=False):
        if isinstance(item, Tensor):
            shapes[item] = _shape(item, value, function)
            continue
        names = ", ".join(map(str, item))
        if not isinstance(value, list | tuple):
            raise ShapeError(
                f"{function}: {parameter} is a {type(value).__name__}; pass a list of {names}."
            )
        if len(value) != len(item):
            raise ShapeError(
                f"{function}: {parameter} has length {len(value)}; pass these {len(item)} arrays: "
                f"{names}."
            )
        for tensor, array in zip(item, value, strict=True):
            shapes[tensor] = _shape(tensor, array, function)
    _require_one_size_per_letter(shapes, function)


def _shape(tensor: Tensor, array: Any, function: str) -> Shape:
    is_number = not tensor.letters and isinstance(array, int | float | complex)
    shape: Shape | None = () if is_number else getattr(array, "shape", None)
    axes = f"{len(tensor.letters)} ax{'i' if len(tensor.letters) == 1 else 'e'}s"
    if shape is None:
        raise ShapeError(
            f"{function}: {tensor} is a {type(array).__name__}, which has no shape; pass an array "
            f"with {axes}."
        )
    if len(shape) != len(tensor.letters):
        raise ShapeError(
            f"{function}: {tensor} should have {axes}, one for each letter, but the array "
            f"passed has {len(shape)} (shape {tuple(shape)}); reshape it."
        )
    return tuple(shape)


def _require_one_size_per_letter(shapes: Shapes, function: str) -> None:
    for letter in dict.fromkeys(letter for tensor in shapes for letter in tensor.letters):
        if len({size for _, size in _sizes(letter, shapes)}) > 1:
            raise ShapeError(f"{function}: {_conflict(letter, shapes)}")


def _conflict(letter: str, shapes: Shapes) -> str:
    """Blame the array whose size fewer arrays have; of two that are equally alone, the later."""
    sizes = _sizes(letter, shapes)
    agreed = _agreed(sizes)
    odd, size = next((tensor, size) for tensor, size in sizes if size != agreed)
    other = next(tensor for tensor, size in sizes if size == agreed)
    rest = {tensor: shape for tensor, shape in shapes.items() if tensor != odd}
    wanted = tuple(_agreed(_sizes(a, rest) or _sizes(a, shapes)) for a in odd.letters)
    return (
        f"{odd} has {letter} = {size} (shape {shapes[odd]}), but {other} has {letter} = {agreed} "
        f"(shape {shapes[other]}). One letter has one size"
        f"{', and a size of 1 does not stretch' if size == 1 else ''}: {odd.name} should have the "
        f"shape {wanted}{', its transpose' if wanted == shapes[odd][::-1] else ''}."
    )


def _sizes(letter: str, shapes: Shapes) -> list[tuple[Tensor, int]]:
    """The arrays that have a letter, in order, each with the size that it gives to the letter."""
    return [
        (tensor, size)
        for tensor, shape in shapes.items()
        for own, size in zip(tensor.letters, shape, strict=True)
        if own == letter
    ]


def _agreed(sizes: list[tuple[Tensor, int]]) -> int:
    """The size that most arrays have; of two that are as frequent, the earlier."""
    return Counter(size for _, size in sizes).most_common(1)[0][0]
