"""What stands where something cannot be copied: a refusal that names it, once the code uses it."""

from typing import Any, NoReturn

from ..errors import RefusedError

USES = (
    "__call__", "__iter__", "__next__", "__len__", "__getitem__", "__setitem__", "__contains__", "__enter__",
    "__exit__", "__await__", "__aiter__", "__anext__", "__bool__", "__array__", "__index__", "__float__", "__add__",
    "__radd__", "__mul__", "__rmul__", "__sub__", "__rsub__", "__matmul__", "__rmatmul__",
    "__truediv__", "__rtruediv__", "__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "__pow__", "__rpow__",
    "__neg__", "__abs__", "__lt__", "__le__", "__gt__", "__ge__", "__int__",
)  # fmt: skip


class Refused:
    """Stands for an object that cannot be copied, and says so when it is used.

    Parameters
    ----------
    what, why
        The kind of the object, and why a run of the code must not have it: parts of one sentence.
    """

    __slots__ = ("_einbackprop_name", "_einbackprop_what", "_einbackprop_why")

    def __init__(self, what: str, why: str) -> None:
        self._einbackprop_name, self._einbackprop_what, self._einbackprop_why = "", what, why

    def called(self, name: str) -> None:
        """Tell how the user calls it; the first name stays."""
        self._einbackprop_name = self._einbackprop_name or name

    def refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Raise the refusal."""
        name = self._einbackprop_name
        subject = f"{name} is {self._einbackprop_what}" if name else f"the code uses {self._einbackprop_what}"
        raise RefusedError(f"{subject}: {self._einbackprop_why}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):  # asked by Python and NumPy of anything
            raise AttributeError(name)
        self.refuse()


for use in USES:
    setattr(Refused, use, Refused.refuse)
