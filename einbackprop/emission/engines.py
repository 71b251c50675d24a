"""Engines: what a line of NumPy is called in JAX and in PyTorch.

Source is written for NumPy. Where an engine has the same function under another name, its line is translated; where it
has none, or does something else with it, `Engine` says so, and the line is written in another way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal

import numpy as np

from ..core.dtypes import Dtype
from ..core.records import dataclass

Target = Literal["numpy", "jax", "torch"]
QUOTED = re.compile(r"""(\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|#.*)""")
CALLED = re.compile(r"(?<![.\w])np((?:\.[A-Za-z_]\w*)+)|(?<=[\w\])])\.([A-Za-z_]\w*)(?=\()")


@dataclass(frozen=True)
class Engine:
    """What runs source.

    Attributes
    ----------
    module : str
        What its counterpart of NumPy is called in source.
    imports : mapping of str to str
        What stands above the function for each name that it uses.
    renamed : mapping of str to str
        NumPy's functions by what they are called there: ``{"rint": "torch.round"}``. All others have NumPy's names.
    methods : mapping of str to str
        The same of methods of arrays.
    own : mapping of str to str
        Functions of the engine that stand for helpers.
    helpers : mapping of str to str
        Helpers that are others than NumPy's.
    writes : bool
        Whether arrays can be written into; if not, a write makes another array.
    reverses : bool
        Whether slices go backwards.
    mixes : bool
        Whether operations take arrays of several dtypes, and give what NumPy gives.
    has_strides : bool
        Whether how arrays lie in memory can matter.
    """

    module: str
    imports: Mapping[str, str]
    renamed: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    writes: bool = True
    reverses: bool = True
    mixes: bool = True
    has_strides: bool = False

    def translated(self, line: str) -> str:
        """A line of NumPy in the words of the engine; what is quoted, and comments, as they are."""
        if self.module == "np":
            return line

        def called(match: re.Match[str]) -> str:
            if match[2] is not None:
                return f".{self.methods.get(match[2], match[2])}"
            return self.renamed.get(match[1][1:], self.module + match[1])

        parts = QUOTED.split(line)
        return "".join(part if n % 2 else CALLED.sub(called, part) for n, part in enumerate(parts))

    def dtype(self, kind: Dtype) -> str:
        """A dtype as an expression."""
        if self.mixes and kind == np.dtype(int):
            return "int"
        return "bool" if self.mixes and kind.kind == "b" else f"np.{kind.name}"

    def number(self, name: str, kind: Dtype) -> str:
        """An input without axes, which may be a Python number, as an array."""
        return f"np.asarray({name})" if self.mixes else f"torch.as_tensor({name}, dtype={self.dtype(kind)})"

    def filled(self, sizes: Sequence[str], number: str, dtype: str) -> str:
        """An array of one number; without a dtype in that of the number."""
        shape = sizes[0] if len(sizes) == 1 and self.mixes else f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"
        if not dtype and not self.mixes:  # there a number is in single precision
            dtype = "np.int64" if re.fullmatch(r"-?\d+", number) else "np.float64"
        return f"np.full({shape}, {number}{dtype and f', dtype={dtype}'})"

    def triangle(self, rows: str, columns: str, is_strict: bool, dtype: str) -> str:
        """Ones below the diagonal, and on it unless it is strict."""
        shift = ", -1" if is_strict else ""
        if self.module == "torch":
            return f"torch.tril(np.ones({rows}, {columns}, dtype={dtype}){shift})"
        return f"np.tri({rows}, {columns}{shift}, dtype={dtype})"

    def extremum(self, array: str, kind: str, axes: Sequence[str]) -> str:
        """The largest or smallest entries along axes."""
        along = axes[0] if len(axes) == 1 else f"({', '.join(axes)})"
        return f"{array}.a{kind}({along})" if self.module == "torch" else f"{array}.{kind}(axis={along})"

    def expanded(self, array: str, axes: Sequence[int]) -> str:
        """An array with axes of size 1 at these places."""
        if self.module == "torch":
            return array + "".join(f".unsqueeze({axis})" for axis in sorted(axes))
        return f"np.expand_dims({array}, {axes[0] if len(axes) == 1 else tuple(axes)})"


NUMPY = Engine("np", {"np": "import numpy as np", "eb": "import einbackprop as eb"}, has_strides=True)
JAX = Engine(
    "jnp", {"jax": "import jax", "jnp": "import jax.numpy as jnp"}, writes=False,
    own={"sigmoid": "jax.nn.sigmoid", "softplus": "jax.nn.softplus", "erf": "jax.scipy.special.erf"},
)  # fmt: skip
TORCH = Engine(
    "torch", {"torch": "import torch"}, reverses=False, mixes=False,
    renamed={"rint": "torch.round", "power": "torch.pow", "mod": "torch.remainder", "array": "torch.tensor"},
    methods={"astype": "to", "copy": "clone"},
    own={"sigmoid": "torch.sigmoid", "erf": "torch.erf"},
    helpers={"einsum": '''
def einsum(subscripts, *operands):
    """torch.einsum as a product and a sum: where one operand has all letters, matrices are no use."""
    inputs, out = subscripts.split("->")
    terms = inputs.split(",")
    letters = max([out, *terms], key=lambda term: len(set(term)))
    product = 1
    for term, x in zip(terms, operands, strict=True):
        x = x.permute([term.index(i) for i in letters if i in term])
        product = product * x[tuple(slice(None) if i in term else None for i in letters)]
    summed = [n for n, i in enumerate(letters) if i not in out]
    product = product.sum(summed) if summed else product
    kept = [i for i in letters if i in out]
    return product.permute([kept.index(i) for i in out])
''', "softplus": '''
def softplus(x):
    """log(1 + exp(x)), without overflow and to the last digit."""
    return torch.relu(x) + torch.log1p(torch.exp(-x.abs()))
''', "cbrt": '''
def cbrt(x):
    """The cube root, of negative numbers too."""
    return torch.sign(x) * x.abs() ** (1 / 3)
'''},
)  # fmt: skip
ENGINES: Mapping[str, Engine] = {"numpy": NUMPY, "jax": JAX, "torch": TORCH}
