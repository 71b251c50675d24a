"""Computes the formulas of the catalogue's derivations, from nothing but the definition of index notation.

A value is a pair: the letters of its axes, and an array. An array without letters has the letter `ENTRY`, which stands
for any entry. Sizes are those of the arrays that a line names; a letter has one size in a line.
"""

import string
from itertools import product

import numpy as np
from layers_reading import Equation, Partial

ENTRY = "Z"
STEP = 1e-20
POINTWISE = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "gelu": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}
EXTREMES = {  # by real parts; of equals the first, whose slope it has then
    "max": lambda x, limit: np.where(x.real > limit.real, x, limit),
    "min": lambda x, limit: np.where(x.real <= limit.real, x, limit),
}


def refs(tree):
    """Every array that a tree names, with its letters."""
    if isinstance(tree, tuple) and tree and tree[0] == "ref":
        yield tree[1:]
    elif isinstance(tree, tuple) and tree and tree[0] == "bracket":
        for _, *parts in (*tree[1], *tree[3]):
            for part in parts:
                if "[" in part:
                    name, letters = part[:-1].split("[")
                    yield name, tuple(letters.split(","))
    elif isinstance(tree, tuple):
        for inner in tree:
            yield from refs(inner)


class Line:
    """One line of a derivation, to be computed from the arrays that it names."""

    def __init__(self, arrays, functions, settings, sizes=(), named=(), trees=(), broadcast=False):
        self.arrays, self.functions, self.settings, self.broadcast = arrays, functions, settings, broadcast
        self.sizes, self.target = dict(sizes), "".join(named[0][1]) if named else ""
        for name, letters in [*named, *(ref for tree in trees for ref in refs(tree))]:
            if name in arrays and letters:
                self.note(name, letters, self.array(name, letters))

    def note(self, name, letters, array):
        for letter, size in zip([i for i in letters if not i.isdigit()], array.shape, strict=True):
            known = self.sizes.setdefault(letter, size)
            assert known == size, f"{name}[{letters}]: {letter} is {size}, elsewhere {known}"

    def array(self, name, letters):
        """An array that is named, with its axes in the order of the letters; of a number, that entry."""
        array = np.asarray(self.arrays[name])
        if not letters:
            return array.reshape(-1) if array.ndim else array
        if array.ndim == len(letters) - 1 and "t" in letters:  # what a loop holds, of its one step
            array = np.expand_dims(array, letters.index("t"))
        places = tuple(int(i) if i.isdigit() else slice(None) for i in letters)
        assert array.ndim == len(letters), (name, letters, array.shape)
        return array[places]

    def value(self, tree):
        match tree:
            case ("number", number):
                return "", np.array(float(number))
            case ("size", letter):
                if letter in self.arrays:
                    return "", np.array(float(self.arrays[letter]))
                return "", np.array(float(self.sizes[letter.lower()]))
            case ("ref", "ones", letters):
                return "".join(letters), np.ones([self.sizes[i] for i in letters])
            case ("ref", name, letters):
                if not letters and name in self.settings:
                    return "", np.array(float(self.settings[name]))
                array = self.array(name, letters)
                return "".join(i for i in letters if not i.isdigit()) or ENTRY * array.ndim, array
            case ("sum", letters, inner):
                return contracted([self.value(inner)], without=letters)
            case ("product", factors):
                values = [(self.value(inner), exponent) for inner, exponent in factors]
                return contracted([(letters, array if e == 1 else 1 / array) for (letters, array), e in values])
            case ("terms", terms):
                return added([(sign, self.value(inner)) for sign, inner in terms], self.broadcast)
            case ("power", inner, exponent):
                letters, array = self.value(inner)
                return letters, array ** float(exponent)
            case ("bracket", left, relation, right):
                return self.bracket(left, relation, right)
            case ("max", letters, inner):
                own, array = self.value(inner)
                return "".join(i for i in own if i not in letters), np.max(array, tuple(own.index(i) for i in letters))
            case ("first", letters, inner):
                return self.first(letters, *self.value(inner))
            case ("call", name, arguments):
                return self.call(name, arguments)
        raise AssertionError(tree)

    def call(self, name, arguments):
        if name in self.functions:
            return self.target, self.functions[name](*[self.arrays[argument[1]] for argument in arguments])
        if name in EXTREMES:
            (letters, array), (_, limit) = map(self.value, arguments)
            return letters, EXTREMES[name](array, limit)
        letters, array = self.value(arguments[0])
        return letters, POINTWISE[name](array)

    def first(self, letters, own, array):
        """1 at the first of the largest along some letters, the last ones, else 0."""
        assert own.endswith(letters)
        flat = array.reshape(*array.shape[: -len(letters)], -1)
        hit = np.arange(flat.shape[-1]) == np.argmax(flat, axis=-1)[..., None]
        return own, hit.reshape(array.shape).astype(float)

    def bracket(self, left, relation, right):
        """0 or 1, for each value of the letters in it."""
        (letters, lefts), (others, rights) = self.position(left), self.position(right)
        every = letters + "".join(i for i in others if i not in letters)
        lefts, rights = expanded(letters, lefts, every), expanded(others, rights, every)
        compare = {"=": np.equal, ">": lambda a, b: a.real > b, "≤": lambda a, b: a.real <= b}[relation]
        return every, compare(lefts, rights).astype(float)

    def position(self, terms):
        total = ("", np.array(0))
        for sign, *parts in terms:
            value = contracted([self.atom(part) for part in parts])
            total = added([(1, total), (sign, value)], broadcast=True)
        return total

    def atom(self, part):
        """A number, a setting, a size, a letter or an array, in a bracket."""
        if part.isdigit():
            return "", np.array(int(part))
        if "[" in part:
            name, letters = part[:-1].split("[")
            return self.value(("ref", name, tuple(letters.split(","))))
        if part in self.settings:
            return "", np.array(self.settings[part])
        if part in self.sizes:
            return part, np.arange(self.sizes[part])
        return self.value(("size", part)) if part.isupper() else self.value(("ref", part, ()))


def contracted(values, without=""):
    """The product of values, summed over letters."""
    letters = "".join(dict.fromkeys("".join(own for own, _ in values)))
    kept = "".join(i for i in letters if i not in without)
    assert set(without) <= set(letters), f"a sum over {without} of something that has only {letters}"
    return kept, np.einsum(",".join(own for own, _ in values) + "->" + kept, *[array for _, array in values])


def added(terms, broadcast=False):
    """The sum of signed values. All have the same letters, but a number may be among them, or they broadcast."""
    letters = "".join(dict.fromkeys("".join(own for _, (own, _) in terms)))
    for _, (own, _) in terms:
        assert broadcast or not own or set(own) == set(letters), (own, letters)
    return letters, sum(sign * expanded(own, array, letters) for sign, (own, array) in terms)


def expanded(own, array, letters):
    """An array with its axes in another order of letters, those it has not got of size 1."""
    order = [own.index(i) for i in letters if i in own]
    shape = [array.shape[own.index(i)] if i in own else 1 for i in letters]
    return array.transpose(order).reshape(shape)


class Derivation:
    """A derivation's lines with numbers for what they name."""

    def __init__(self, lines, arrays, functions, settings):
        self.lines, self.arrays, self.functions, self.settings = lines, dict(arrays), functions, settings
        named = [(line.name, line.letters) for line in lines if isinstance(line, Equation)]
        self.sizes = self.line(arrays, named, [line.right for line in lines if isinstance(line, Equation)]).sizes

    def line(self, arrays, named=(), trees=(), broadcast=False, sizes=()):
        return Line(arrays, self.functions, self.settings, sizes, named, trees, broadcast)

    def compute(self, equation, arrays):
        """What the right side of an equation is, with its axes in the order of the left side's letters."""
        line = self.line(arrays, [(equation.name, equation.letters)], [equation.right])
        letters, array = line.value(equation.right)
        own = "".join(i for i in equation.letters if not i.isdigit()) or (ENTRY if letters == ENTRY else "")
        assert set(letters) == set(own), f"{letters} on the right, {own} on the left of {equation.text}"
        return expanded(letters, array, own)

    def equations(self):
        """Each equation, with what its right side is and what the code holds under its name, or None."""
        for line in self.lines:
            if isinstance(line, Equation):
                value = self.compute(line, self.arrays)
                held = self.arrays.get(line.name)
                if held is None:
                    self.arrays[line.name] = value
                else:
                    held = self.line(self.arrays).array(line.name, line.letters)
                yield line, value, held

    def partials(self):
        """The lines that are partial derivatives."""
        return [line for line in self.lines if isinstance(line, Partial)]

    def stated(self, partial):
        """Each right side, with the letters of the numerator, then those of the denominator that it has not got."""
        found = []
        for tree in partial.rights:
            seconds = set(partial.by[1]) | {i for _, letters in refs(tree) for i in letters}
            first = {i: size for i, size in self.sizes.items() if i not in seconds}
            line = self.line(self.arrays, [partial.of, partial.by], [tree], broadcast=True, sizes=first)
            letters, array = line.value(tree)
            wanted = "".join(dict.fromkeys((*partial.of[1], *partial.by[1]))) or letters
            assert set(letters) <= set(wanted), f"{letters} in {partial.text}"
            shape = [line.sizes[i] for i in wanted] if wanted != ENTRY else array.shape
            found.append(np.broadcast_to(expanded(letters, array, wanted), shape))
        return found

    def stepped(self, partial):
        """The numerator's derivative, by an imaginary step in each entry of the denominator in turn."""
        (of, of_letters), (by, by_letters) = partial.of, partial.by
        start = self.line(self.arrays).array(by, by_letters)
        columns = []
        for place in product(*map(range, start.shape)):
            moved = start.astype(complex)
            moved[place] += STEP * 1j
            columns.append(self.after(by, moved, of, of_letters).imag / STEP)
        jacobian = np.stack(columns, axis=-1).reshape(*columns[0].shape, *start.shape)
        of_letters, by_letters = of_letters or (ENTRY,) * columns[0].ndim, by_letters or (ENTRY,)
        names = iter(string.ascii_uppercase)
        first = "".join(of_letters)
        second = "".join(i if i in first else next(names) for i in by_letters)
        kept = first + "".join(i for i in second if i not in first)
        return np.einsum(f"{first}{second}->{kept}", jacobian)

    def after(self, by, moved, of, of_letters):
        """What a value becomes once another is moved: the equations after it, computed again."""
        arrays = self.arrays | {by: moved}
        reached = {by}
        for line in self.lines:
            if isinstance(line, Equation) and line.name != by and {name for name, _ in refs(line.right)} & reached:
                arrays[line.name] = self.compute(line, arrays)
                reached.add(line.name)
                if line.name == of:
                    break
        return self.line(arrays).array(of, of_letters) + 0j
