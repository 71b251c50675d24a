"""Other spellings than those of ``condition_cases``: sizes and conditions in all the ways that Python has for them."""

from __future__ import annotations

from collections.abc import Iterator

from condition_cases import SIZES, Case

SPELLED = {
    "k, _ = divmod(n, 2)": 3, "k = math.prod(x.shape) - 1": 5, "k = math.prod(X.shape) // 8": 3,
    "k = round(n / 2)": 3, "k = int(n * .5)": 3, "k = n - n % 2 - 1": 5, "k = max(n, 3) - 1": 5, "k = min(n, m)": 4,
    "k = len(range(n)) - 2": 4, "k = sum(1 for _ in x) - 1": 5, "k = X.shape[::-1][0]": 4, "k = np.size(X) // 6": 4,
    "k = np.size(X, 1)": 4, "for i, _ in enumerate(x):\n    k = i": 5, "k = np.arange(n)[-1]": 5, "k = n >> 1": 3,
    "k = math.floor(n / 2)": 3, "k = math.ceil(n / 4)": 2, "k = -(-n // 4)": 2, "k = {'n': n - 2}['n']": 4,
    "class Net:\n    def __init__(self, v):\n        self.half = len(v) // 2\nk = Net(x).half": 3,
    "def last(v, k=n - 1):\n    return k\nk = last(x)": 5, "half = lambda: n // 2\nk = half()": 3,
    "k = {f'h{n}': n // 2}[f'h{n}']": 3, "k = int(str(n)) - 1": 5, "k = int(f'{n}') // 2": 3,
    "k = int(np.ceil(n / 2))": 3, "k = len(x.tolist()) - 1": 5, "k = len(list(x)) // 2": 3, "k = len(X.T)": 4,
    "k = np.prod(X.shape) // 8": 3, "k = int(np.array(X.shape).prod()) // 8": 3,
    "k = functools.reduce(operator.mul, X.shape) // 6": 4, "k = sum(X.shape) - 5": 5,
    "k = x.nbytes // x.itemsize - 1": 5, "k = X.ravel().shape[0] // 6": 4, "k = int(np.ones_like(x).sum()) - 1": 5,
    "k = int(np.cumsum(np.ones(n))[-1]) - 1": 5, "(k,) = x.shape\nk -= 1": 5, "k, *rest = X.shape\nk //= 2": 3,
    "k = np.shape(x)[-1] - 1": 5, "k = len([v for v in x]) - 1": 5, "k = 0\nwhile k < n - 1:\n    k += 1": 5,
    "k = sorted(X.shape)[0]": 4, "k = (n > 4) + 2": 3, "k = n.bit_length()": 3, "k = n ^ 1 if n > 1 else 1": 7,
    "k = n | 1": 7, "k = operator.index(n) - 1": 5, "k = np.int64(n) // 2": 3, "k = math.gcd(n, m)": 2,
    "k = math.isqrt(n * n) - 1": 5, "k = int(Fraction(n, 2))": 3, "k = n.numerator - 1": 5, "k = n.real - 1": 5,
    "k = int('%d' % n) - 1": 5, "k = {6: 3, 8: 4}.get(n, 1)": 3, "k = len([0] * n) - 1": 5, "k = range(n)[-1]": 5,
    "k = len(np.zeros(n)) - 1": 5, "k = np.zeros((n, 2)).shape[0] - 1": 5, "k = np.arange(n).max()": 5,
    "k = int(np.arange(n).sum()) // 3": 5, "k = len(X[:, 0]) - 1": 5, "k = x[1:].size": 5,
    "k = X[:n // 2].shape[0]": 3, "k = len(np.split(x, 2)[0])": 3, "k = x.reshape(-1, 2).shape[0]": 3,
    "k = X.T.shape[-1] // 2": 3, "k = int(n ** .5)": 2, "k = int(math.log2(n))": 2, "k = int(np.log2(n))": 2,
    "k = abs(m - n) + 1": 3, "k = list(range(n)).pop()": 5, "k = [i for i in range(n)][-1]": 5,
    "k = max(i for i in range(n))": 5, "k = int(n / 2 + .5)": 3, "k = len('x' * n) - 1": 5,
    "k = (n + 1) * n // 14": 3, "k = int(np.linspace(0, n - 1, 3)[-1])": 5, "k = np.add.reduce(X.shape) // 2": 5,
    "k = int((x == x).sum()) - 1": 5, "k = np.count_nonzero(np.ones(n)) - 1": 5,
    "k = int(np.trace(np.eye(n))) - 1": 5, "k = x.strides[0] * n // 16": 3, "k = memoryview(bytes(n)).nbytes - 1": 5,
    "k = int(np.mean(np.arange(n)) * 2)": 5, "k = next(reversed(range(n)))": 5, "k = sum(1 for _ in x.flat) - 1": 5,
    "k = len(x.flat) - 1": 5, "k = len(np.concatenate(X)) // 6": 4, "k = X.strides[0] // 8": 4,
    "k = int(math.log(n, 2))": 2, "k = int(math.fsum([n, 0])) - 1": 5, "k = len(np.fromiter(x, float)) - 1": 5,
    "k = np.unravel_index(n, (n, n))[0] + 3": 4, "k = int(np.tril(np.ones((9, 9)), n - 8).sum()) // 4": 7,
    "k = len(np.repeat(x, n)) // 12": 3, "k = len(np.pad(x, n)) // 6": 3, "k = len(np.tile(x, m)) // 6": 4,
    "k = len(np.delete(x, n - 1))": 5, "k = int(np.trace(np.ones((9, 9)), n)) + 1": 4,
    "k = len(np.hanning(n)) - 1": 5, "k = len(np.diff(X, m - 3).ravel()) // 6": 3,
    "import pickle\nk = pickle.loads(pickle.dumps(n)) - 1": 5, "import copy\nk = copy.deepcopy(n) - 1": 5,
    "k = int('{}'.format(n)) - 1": 5, "k = np.eye(n, n + 1).shape[1]": 7, "k = len(np.linspace(0, 1, n)) - 1": 5,
    "k = np.full((n, n), 1.0).shape[1] - 1": 5, "k = len(bytearray(n)) - 1": 5, "k = X.reshape(-1).shape[0] // 6": 4,
    "k = np.ravel(X).size // 6": 4, "k = np.vstack([x, x]).shape[1] - 1": 5, "k = np.stack(list(X)).shape[0] - 1": 5,
    "k = np.concatenate([x, x]).shape[0] - 7": 5, "k = x[::2].shape[0]": 3, "k = len(x[1::2])": 3,
    "k = x[n // 2:].size": 3, "k = np.outer(x, x).shape[0] - 1": 5, "k = (X.T @ X).shape[0]": 4,
    "k = np.broadcast_shapes(x.shape)[0] - 1": 5, "k = np.zeros(X.shape).size // 6": 4, "k = pow(n, 2) // 9": 4,
    "k = pow(2, n) // 16": 4, "k = max(range(n))": 5, "k = sorted([n, m])[0]": 4, "k = n if n < m else m": 4,
    "from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int\nk = C(n).n - 1": 5,
    "k = (lambda *s: s[0])(*X.shape) - 1": 5,
    "from collections import namedtuple\nS = namedtuple('S', 'n m')\nk = S(*X.shape).m": 4,
    "k = [*X.shape].index(m) + 4": 5, "k = np.add(n, -1)": 5, "k = np.subtract(n, 1)": 5,
    "k = np.maximum(n, 3) - 1": 5, "k = int(np.float32(n)) - 1": 5, "k = np.intp(n - 1)": 5, "k = eval('n - 1')": 5,
    "k = n.__sub__(1)": 5, "k = ~-n": 5, "k = n - True": 5, "k = n + -1": 5,
}  # fmt: skip
"""Lines that make a number k of the sizes n and m, and what it is at n = 6 and m = 4."""
SAME_ELSEWHERE = ("k = (n > 4) + 2", "k = np.unravel_index(n, (n, n))[0] + 3", "k = [*X.shape].index(m) + 4")
ROLES_OF_K = {
    "factor": ("return (x ** 2).sum() / k", "return 2 * x / k"),
    "head": ("return (x[:k] ** 2).sum()", "d = np.zeros_like(x)\nd[:k] = 2 * x[:k]\nreturn d"),
    "tail": ("return (x[k - 1:] ** 2).sum()", "d = np.zeros_like(x)\nd[k - 1:] = 2 * x[k - 1:]\nreturn d"),
    "place": ("return x[k - 1] ** 2", "d = np.zeros_like(x)\nd[k - 1] = 2 * x[k - 1]\nreturn d"),
    "from the end": ("return (x[-k:] ** 2).sum()", "d = np.zeros_like(x)\nd[-k:] = 2 * x[-k:]\nreturn d"),
    "power": ("return (x ** k).sum()", "return k * x ** (k - 1)"),
    "times": ("return (x ** 2).sum() * k + x.sum()", "return 2 * k * x + 1"),
}

def spelled(*, as_number: bool) -> Iterator[Case]:
    """Each spelling in two roles: the right gradient, or the one with the number."""
    others = [role for role in ROLES_OF_K if role != "factor"]
    for n, (lines, value) in enumerate(SPELLED.items()):
        for role in ("factor", others[n % len(others)]):
            fits = value <= 6 or role in ("factor", "power", "times")  # else there is no such position
            if fits and not (as_number and lines in SAME_ELSEWHERE):
                loss, gradient = ROLES_OF_K[role]
                own = f"k = {value}\n" if as_number else f"{SIZES}{lines}\n"
                yield Case(f"{role}: {lines}", f"{SIZES}{lines}\n{loss}", own + gradient)

