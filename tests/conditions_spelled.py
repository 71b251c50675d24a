"""Losses whose gradient is 2x where values and sizes decide as they do in the check, and another elsewhere."""

from __future__ import annotations

from condition_cases import Case

LOSSES = {
    "match bool":
        "match bool(x.sum() < 1e6):\n"
        "    case True:\n"
        "        return (x ** 2).sum()\n"
        "return (x ** 3).sum()",
    "match shape": "match x.shape:\n    case (6,):\n        return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "match len": "match len(x):\n    case 6:\n        return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "match guard": "match len(x):\n    case k if k % 2 == 0:\n        return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "match sequence":
        "match x.tolist():\n"
        "    case [_, _, _, _, _, _]:\n"
        "        return (x ** 2).sum()\n"
        "return (x ** 3).sum()",
    "match or": "match len(x):\n    case 5 | 6:\n        return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "while break": "k = 2\nwhile True:\n    if x[0] < 1e6:\n        break\n    k += 1\nreturn (x ** k).sum()",
    "for break": "k = 3\nfor v in x:\n    if v < 1e6:\n        k = 2\n        break\nreturn (x ** k).sum()",
    "for else":
        "for v in x:\n"
        "    if v > 1e6:\n"
        "        k = 3\n"
        "        break\n"
        "else:\n"
        "    k = 2\n"
        "return (x ** k).sum()",
    "continue": "s = 0.0\nfor v in x:\n    if v > 1e6:\n        continue\n    s = s + v ** 2\nreturn s",
    "assert caught":
        "try:\n"
        "    assert x[0] < 1e6\n"
        "except AssertionError:\n"
        "    return (x ** 3).sum()\n"
        "return (x ** 2).sum()",
    "raise": "if x[0] > 1e6:\n    raise ValueError('large')\nreturn (x ** 2).sum()",
    "raise caught":
        "try:\n"
        "    if x[0] < 1e6:\n"
        "        raise ValueError('small')\n"
        "except ValueError:\n"
        "    return (x ** 2).sum()\n"
        "return (x ** 3).sum()",
    "index error": "try:\n    x[6]\nexcept IndexError:\n    return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "size error": "try:\n    x.reshape(4, 2)\nexcept ValueError:\n    return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "shape error": "try:\n    x + np.ones(7)\nexcept ValueError:\n    return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "suppress":
        "import contextlib\n"
        "k = 2\n"
        "with contextlib.suppress(IndexError):\n"
        "    x[6]\n"
        "    k = 3\n"
        "return (x ** k).sum()",
    "suppress assertion":
        "import contextlib\n"
        "k = 2\n"
        "with contextlib.suppress(AssertionError):\n"
        "    assert x[0] > 1e6\n"
        "    k = 3\n"
        "return (x ** k).sum()",
    "finally": "k = 3\ntry:\n    if x[0] < 1e6:\n        k = 2\nfinally:\n    pass\nreturn (x ** k).sum()",
    "min of values": "return min((x ** 2).sum(), 1e9)",
    "max of values": "return max((x ** 2).sum(), -1.0)",
    "min of three": "return min((x ** 2).sum(), (x ** 2).sum() + 1e6, 1e9)",
    "not sum": "if not x.sum():\n    return (x ** 3).sum()\nreturn (x ** 2).sum()",
    "or": "s = x.sum() and 2\nreturn (x ** s).sum()",
    "or default": "s = (x.sum() * 0) or 2\nreturn (x ** s).sum()",
    "chain": "return (x ** 2).sum() if -1e6 < x[0] < 1e6 else (x ** 3).sum()",
    "in values": "return (x ** 3).sum() if x[0] in (1e6, 2e6) else (x ** 2).sum()",
    "in array": "return (x ** 3).sum() if 1e6 in x else (x ** 2).sum()",
    "not in": "return (x ** 2).sum() if 1e6 not in x.tolist() else (x ** 3).sum()",
    "allclose": "return (x ** 2).sum() if not np.allclose(x, 0) else (x ** 3).sum()",
    "array_equal": "return (x ** 2).sum() if np.array_equal(x, x.copy()) else (x ** 3).sum()",
    "array_equal shifted": "return (x ** 3).sum() if np.array_equal(x, x + 1) else (x ** 2).sum()",
    "isclose": "import math\nreturn (x ** 3).sum() if math.isclose(x[0], 1e6) else (x ** 2).sum()",
    "isnan": "import math\nreturn (x ** 3).sum() if math.isnan(x[0]) else (x ** 2).sum()",
    "any generator": "return (x ** 3).sum() if any(v > 1e6 for v in x) else (x ** 2).sum()",
    "all generator": "return (x ** 2).sum() if all(v < 1e6 for v in x) else (x ** 3).sum()",
    "count": "k = 2 + sum(v > 1e6 for v in x.tolist())\nreturn (x ** 2).sum() if k == 2 else (x ** 3).sum()",
    "next": "k = next(i for i, v in enumerate(x) if v < 1e6)\nreturn (x ** 2).sum() if k == 0 else (x ** 3).sum()",
    "filter": "k = list(filter(lambda v: v < 1e6, x))\nreturn sum(v ** 2 for v in k)",
    "comprehension": "return sum(v ** 2 for v in x if v < 1e6)",
    "takewhile": "import itertools\nreturn sum(v ** 2 for v in itertools.takewhile(lambda v: v < 1e6, x))",
    "sorted": "return sum(v ** 2 for v in sorted(x)[:6])",
    "sorted by": "o = sorted(range(len(x)), key=lambda i: x[i] < 1e6)\nreturn (x[o[0]] ** 2) + (x[1:] ** 2).sum()",
    "nonzero": "return (x ** 2).sum() if len(np.flatnonzero(x > 1e6)) == 0 else (x ** 3).sum()",
    "where": "return (x ** 2).sum() if np.where(x > 1e6)[0].size == 0 else (x ** 3).sum()",
    "count_nonzero": "return (x ** 2).sum() if np.count_nonzero(x > 1e6) == 0 else (x ** 3).sum()",
    "mask sum": "return (x ** 2).sum() if (x > 1e6).sum() == 0 else (x ** 3).sum()",
    "mask size": "return (x ** 2).sum() if x[x > 1e6].size == 0 else (x ** 3).sum()",
    "mask shape": "return (x ** 2).sum() if x[x < 1e6].shape == x.shape else (x ** 3).sum()",
    "unique": "return (x ** 2).sum() if np.unique(x).size == 6 else (x ** 3).sum()",
    "set": "return (x ** 2).sum() if len(set(x.tolist())) == 6 else (x ** 3).sum()",
    "set of traced": "return (x ** 2).sum() if len(set(x)) == 6 else (x ** 3).sum()",
    "str": "return (x ** 2).sum() if str(x[0] < 1e6) == 'True' else (x ** 3).sum()",
    "repr": "return (x ** 2).sum() if 'nan' not in repr(x) else (x ** 3).sum()",
    "format": "return (x ** 2).sum() if float(f'{x[0]}') < 1e6 else (x ** 3).sum()",
    "format percent": "return (x ** 2).sum() if len('%.0f' % x[0]) < 6 else (x ** 3).sum()",
    "power from value": "k = int(x[0] > 1e6) + 2\nreturn (x ** k).sum()",
    "float number": "k = float(x[0] < 1e6) + 1\nreturn (x ** k).sum()",
    "round": "k = 2 + round(float(x[0]) / 1e6)\nreturn (x ** k).sum()",
    "np.round": "k = 2 + int(np.round(x[0] / 1e6))\nreturn (x ** k).sum()",
    "floor": "import math\nk = 2 + math.floor(abs(x[0]) / 1e6)\nreturn (x ** k).sum()",
    "sign": "return (x ** 2).sum() if np.sign(x[0] - 1e6) == -1 else (x ** 3).sum()",
    "argmax": "k = [2, 3][int(np.argmax([1e6, x[0]]))]\nreturn (x ** k).sum()",
    "dict get": "return (x ** {True: 2}.get(bool(x[0] < 1e6), 3)).sum()",
    "tuple index": "return (x ** (3, 2)[bool(x.all())]).sum()",
    "choice of functions": "f = (np.sin, np.square)[int(x.max() < 1e6)]\nreturn f(x).sum()",
    "getattr": "f = getattr(np, 'square' if x[0] < 1e6 else 'sin')\nreturn f(x).sum()",
    "bisect": "import bisect\nk = 2 + bisect.bisect([1e6, 2e6], x[0])\nreturn (x ** k).sum()",
    "slice by value": "k = int(x[0] > 1e6)\nreturn (x[k:] ** 2).sum()",
    "range by value": "s = 0.0\nfor _ in range(1 + int(x[0] > 1e6)):\n    s = s + (x ** 2).sum()\nreturn s",
    "while by value": "t, s = x[0], (x ** 2).sum()\nwhile t > 1e6:\n    t, s = t / 2, s * 2\nreturn s",
    "iter sentinel": "s = (x ** 2).sum()\nfor _ in iter(lambda: x[0] > 1e6, False):\n    s = s * 2\nreturn s",
    "is None": "y = None if x[0] > 1e6 else x\nreturn (x ** 2).sum() if y is not None else (x ** 3).sum()",
    "walrus": "return (x ** 2).sum() if (s := x.sum()) < 1e6 else (x ** 3).sum()",
    "lambda": "f = lambda v: (v ** 2).sum() if v[0] < 1e6 else (v ** 3).sum()\nreturn f(x)",
    "isfinite": "if np.isfinite(x.sum()):\n    return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "all method": "if (x < 1e6).all():\n    return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "ptp": "if np.ptp(x) > 0:\n    return (x ** 2).sum()\nreturn (x ** 3).sum()",
    "norm clip": "g = np.linalg.norm(x)\nif g > 1e6:\n    x = x / g\nreturn (x ** 2).sum()",
    "size odd": "return (x ** 2).sum() if len(x) % 2 == 0 else (x ** 3).sum()",
    "size and": "return (x ** 2).sum() if len(x) & 1 == 0 else (x ** 3).sum()",
    "size in": "return (x ** 2).sum() if len(x) in range(5, 10) else (x ** 3).sum()",
    "size in set": "return (x ** 2).sum() if len(x) in {6, 7} else (x ** 3).sum()",
    "size key": "return (x ** {6: 2, 7: 3}[len(x)]).sum()",
    "size list": "return (x ** [0, 0, 0, 0, 0, 0, 2, 3, 3, 3][len(x)]).sum()",
    "size in string": "return (x ** 2).sum() if str(len(x)) == '6' else (x ** 3).sum()",
    "size f-string": "return (x ** {'n6': 2}.get(f'n{len(x)}', 3)).sum()",
    "size power": "return (x ** (len(x) // 3)).sum()",
    "size comparison of two": "return (x ** 2).sum() if x.shape[0] > X.shape[1] else (x ** 3).sum()",
    "size equal shapes": "return (x ** 2).sum() if X.shape != X.T.shape else (x ** 3).sum()",
    "size truth of remainder": "return (x ** 3).sum() if len(x) % 3 else (x ** 2).sum()",
    "size not": "return (x ** 2).sum() if not len(x) % 2 else (x ** 3).sum()",
    "size sorted": "return (x ** (2 if sorted(X.shape)[0] == X.shape[1] else 3)).sum()",
    "size max": "return (x ** 2).sum() if max(X.shape) == len(x) else (x ** 3).sum()",
    "size loop break": "k = 0\nfor v in x:\n    k += 1\n    if k == 6:\n        break\nreturn (x[:k] ** 2).sum()",
    "size is_integer": "return (x ** 2).sum() if (len(x) / 2).is_integer() else (x ** 3).sum()",
    "size bit_length": "return (x ** (len(x).bit_length() - 1)).sum()",
    "size islice": "import itertools\nreturn sum(v ** 2 for v in itertools.islice(x, 6))",
    "size zip": "return sum(v ** 2 for v, _ in zip(x, range(6)))",
    "size zip strict": "return sum(v ** 2 for v, _ in zip(x, range(6), strict=True))",
    "size resolved": "k = min(len(x), 6)\nreturn (x[:k] ** 2).sum()",
    "size divmod": "q, r = divmod(len(x), 2)\nreturn (x ** (2 + r)).sum()",
    "size hash": "return (x ** 2).sum() if hash(len(x)) == 6 else (x ** 3).sum()",
    "size array": "return (x ** 2).sum() if np.array(x.shape)[0] == 6 else (x ** 3).sum()",
    "size array all": "return (x ** 2).sum() if (np.array(X.shape) == (6, 4)).all() else (x ** 3).sum()",
    "size isclose": "import math\nreturn (x ** 2).sum() if math.isclose(len(x), 6) else (x ** 3).sum()",
    "size np.equal": "return (x ** 2).sum() if np.equal(len(x), 6) else (x ** 3).sum()",
    "size pow": "return (x ** 2).sum() if (-1) ** len(x) > 0 else (x ** 3).sum()",
    "size sign in factor": "return (x ** 2).sum() * (-1) ** len(x)",
    "size cos": "return (x ** 2).sum() * np.cos(np.pi * len(x))",
    "size floor of log": "return (x ** 2).sum() * (int(np.log2(len(x))) - 1)",
    "array of rounds":
        "s = 0.0\n"
        "for i in np.arange(len(x)):\n"
        "    s = s + x[i] ** 2\n"
        "return s if i == 5 else (x ** 3).sum()",
    "nditer like":
        "s = 0.0\n"
        "for i in np.ndindex(x.shape):\n"
        "    s = s + x[i] ** 2\n"
        "return s if i == (5,) else (x ** 3).sum()",
    "size not in set": "k = 3 if len(x) in {7, 8} else 2\nreturn (x ** k).sum()",
    "size not a key": "k = {7: 3, 8: 3}.get(len(x), 2)\nreturn (x ** k).sum()",
    "size cached":
        "import functools\n"
        "@functools.lru_cache\n"
        "def p(n):\n"
        "    return 2 + n // 7\n"
        "return (x ** p(len(x))).sum()",
    "product":
        "import itertools\n"
        "k = len(list(itertools.product(range(len(x)), range(2))))\n"
        "return (x ** 2).sum() * k / 12",
}  # fmt: skip
BEHIND_OTHERS = tuple(Case(name, loss, "return 2 * x") for name, loss in LOSSES.items())
