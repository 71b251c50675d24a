"""Reads the derivations of the catalogue: their lines, their formulas, and what these are in numbers.

A formula becomes a tree of tuples. It can be held against the code, which becomes the same kind of tree, and it can be
computed, with nothing but the definition of index notation.

    ("number", Fraction)    ("size", "B")                ("ref", name, ("t", "i", "b"))
    ("sum", "kb", tree)     ("product", ((tree, ±1), …)) ("terms", ((±1, tree), …))
    ("call", name, trees)   ("power", tree, Fraction)    ("bracket", terms, "=", terms)
    ("max", "k", tree)      ("first", "rt", tree)
"""

import re
from dataclasses import dataclass
from fractions import Fraction

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<reduction>(?:Σ|max|first)_[a-zA-Z]+)"
    r"|(?P<ref>\w+\[[\w,]*\])|(?P<name>\w+)|(?P<bracket>\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\])|(?P<sign>[-+/^(),]))"
)
FUNCTIONS = ("exp", "log", "tanh", "sigmoid", "softplus", "gelu", "max", "min")
FUNCTIONS += ("attention", "multi_head_attention", "layer_norm", "feed_forward")
SIDE = re.compile(r"([-+]?)\s*([\w·]+(?:\[[\w,]+\])?)\s*")


class Formula:
    """A recursive descent through one formula."""

    def __init__(self, text):
        self.text, self.tokens, at = text, [], 0
        while at < len(text.rstrip()):
            found = TOKEN.match(text, at)
            assert found, f"not a formula: {text!r} at {text[at:]!r}"
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self.tokens.append(("end", ""))

    def peek(self):
        return self.tokens[0][1]

    def take(self, wanted=None):
        kind, token = self.tokens.pop(0)
        assert wanted in (None, token), f"{wanted!r} expected before {token!r} in {self.text!r}"
        return kind, token

    def terms(self):
        terms = []
        while not terms or self.peek() in ("+", "-"):
            sign = -1 if self.peek() == "-" else 1
            if self.peek() in ("+", "-"):
                self.take()
            terms.append((sign, self.product()))
        return terms[0][1] if terms == [(1, terms[0][1])] else ("terms", tuple(terms))

    def product(self):
        factors, exponent = [], 1
        while self.tokens[0][0] != "end" and self.peek() not in ("+", "-", ")", ","):
            if self.peek() == "/":
                self.take()
                exponent = -1
            elif self.tokens[0][0] == "reduction" and self.peek().startswith("Σ"):
                letters = self.take()[1][2:]
                factors.append((("sum", letters, self.product()), 1))
            else:
                factors.append((self.power(), exponent))
                exponent = 1
        assert factors, f"a factor is missing in {self.text!r}"
        return factors[0][0] if len(factors) == 1 and factors[0][1] == 1 else ("product", tuple(factors))

    def power(self):
        base = self.factor()
        if self.peek() != "^":
            return base
        self.take()
        return ("power", base, constant(self.factor()))

    def factor(self):
        kind, token = self.take()
        if kind == "number":
            return ("number", Fraction(token))
        if kind == "ref":
            name, letters = token[:-1].split("[")
            return ("ref", name, tuple(letters.split(",")))
        if kind == "reduction":
            name, letters = token.split("_")
            return (name, letters, self.power())
        if kind == "bracket":
            left, relation, right = re.split(r"\s*([=≤>])\s*", token[1:-1])
            return ("bracket", side(left), relation, side(right))
        if token == "(":
            inside = self.terms()
            self.take(")")
            return inside
        assert kind == "name", f"{token!r} in {self.text!r}"
        if self.peek() == "(" and token in FUNCTIONS:
            self.take()
            arguments = [self.terms()]
            while self.peek() == ",":
                self.take()
                arguments.append(self.terms())
            self.take(")")
            return ("call", token, tuple(arguments))
        return ("size", token) if token.isupper() and len(token) == 1 else ("ref", token, ())


def parse(text):
    """The tree of a formula."""
    formula = Formula(text)
    tree = formula.terms()
    assert formula.peek() == "", f"what is {formula.peek()!r} in {text!r}?"
    return tree


def constant(tree):
    """A number from its tree: -1/2 and the like."""
    match tree:
        case ("number", number):
            return number
        case ("terms", ((sign, inner),)):
            return sign * constant(inner)
        case ("product", factors):
            result = Fraction(1)
            for inner, exponent in factors:
                result *= constant(inner) ** exponent
            return result
    raise AssertionError(tree)


def side(text):
    """One side of a bracket: its terms, each a sign, what it is, and what it is multiplied by."""
    terms = SIDE.findall(text.strip())
    assert "".join(sign + term for sign, term in terms) == text.replace(" ", ""), text
    return tuple((-1 if sign == "-" else 1, *term.split("·")) for sign, term in terms)


# The lines of a derivation


@dataclass(frozen=True)
class Equation:
    """`name[letters] = right`, and whether a ⇒ stands before it."""

    name: str
    letters: tuple[str, ...]
    right: tuple
    follows: bool
    text: str


@dataclass(frozen=True)
class Partial:
    """`∂of/∂by = right = right …`."""

    of: tuple[str, tuple[str, ...]]
    by: tuple[str, tuple[str, ...]]
    rights: tuple
    text: str


def without_remark(text):
    """A formula without what stands in the right margin."""
    return re.split(r" {3,}", text.strip())[0]


def target(text):
    name, _, letters = text.strip().rstrip("]").partition("[")
    return name, tuple(letters.split(",")) if letters else ()


def chain(text):
    """The parts between the equals signs that stand outside of brackets."""
    depth, parts = 0, [""]
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == "=" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def split(text):
    """What stands left and right of the first of them."""
    left, *rest = chain(text)
    return left, "=".join(rest)


def is_prose(line):
    """Words between the formulas are set in by four spaces, or say where to look."""
    return bool(re.match(r" {4}(?! *[=⇒])", line)) or " : " in line


def lines_of(derivation):
    """The equations and the partial derivatives, in order. Each line is one, both around a ⇒, or prose."""
    found = []
    for line in derivation.strip("\n").splitlines():
        if not line.strip() or is_prose(line):
            continue
        before, arrow, after = line.partition("⇒")
        if before.strip().startswith("∂"):
            left, rest = split(before)
            rights = chain(without_remark(rest))
            of, by = left.strip().split("/∂")
            trees = tuple(parse(right) for right in rights)
            found.append(Partial(target(of[1:]), target(by), trees, before.strip()))
        elif before.strip().startswith("="):
            last = found.pop()
            assert isinstance(last, Partial), line
            right = parse(without_remark(before.strip()[1:]))
            found.append(Partial(last.of, last.by, (*last.rights, right), last.text))
        elif before.strip():
            found.append(equation(before, follows=False))
        if arrow:
            found.append(equation(after, follows=True))
    return found


def equation(text, follows):
    left, right = split(text)
    return Equation(*target(left), parse(without_remark(right)), follows, text.strip())
