"""Reads `network.py` and NOTES.md as a careful reader would, with a finger on the letters."""

import ast
import re

from einbackprop.core import shapes

FACTOR = re.compile(r"(1 - )?(\w+)\[([\w,]+)\]")
PARTIAL = re.compile(r"∂(\w+)\[([\w,]+)\]/∂(\w+)\[([\w,]+)\] = (.+)")
COTANGENT = re.compile(r"(d\w+)\[([\w,]+)\] = (?:Σ_(\w+) )?(.+)")
BRACKET = re.compile(r"\[(\w)=(\w)\]")
MARGIN = re.compile(r"   .*")  # what stands in the right margin is a remark


def einsum_lines(text):
    """Each line `name = einsum("…", operands)` of a text, in order, without what surrounds it."""
    return re.findall(r'\w+ = einsum\(".*\)', text)


def is_call(node, name):
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == name


class Letters(dict):
    """The letters of every array in `network.py`: declared, or as the einsums make them.

    A name has the same letters wherever it stands, and a cotangent has those of its primal; else
    there is an AssertionError.
    """

    def __init__(self, source):
        super().__init__()
        for function in ast.parse(source).body:
            if isinstance(function, ast.FunctionDef) and function.decorator_list:
                self.read(function)
        for name, letters in self.items():
            assert name[:1] != "d" or self.get(name[1:], letters) == letters, name

    def note(self, name, letters):
        assert self.setdefault(name, letters) == letters, (name, self[name], letters)

    def read(self, function):
        declaration = ast.literal_eval(function.decorator_list[0].args[0])
        for item in shapes.parse(declaration):
            for tensor in item if isinstance(item, list) else [item]:
                self.note(tensor.name, "".join(tensor.letters))
        for node in function.body:
            if isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name):
                    self.note(target.id, self.of(node.value))
                else:  # arguments unpacked
                    assert {name.id for name in target.elts} <= {"_", *self}
            elif isinstance(node, ast.Return) and not isinstance(node.value, ast.List):
                self.note(f"{function.name}()", self.of(node.value))

    def of(self, node):
        match node:
            case ast.Constant(int() | float()):
                return ""
            case ast.Name(name):
                return self[name]
            case ast.BinOp(left, _, right):
                found = {self.of(left), self.of(right)} - {""}
                assert len(found) <= 1, ast.unparse(node)
                return found.pop() if found else ""
            case ast.Subscript(ast.Attribute(ast.Name(), "shape"), ast.UnaryOp()):
                return ""  # a size
            case ast.Call(ast.Attribute(ast.Name("np"), "ones"), [ast.Subscript(shape), _]):
                return self[shape.value.id][-1]
            case ast.Call(ast.Name("sigmoid"), [argument]):
                return self.of(argument)
            case ast.Call(ast.Name("einsum"), [ast.Constant(str(subscripts)), *operands]):
                terms, output = subscripts.split("->")
                assert [self.of(x) for x in operands] == terms.split(","), ast.unparse(node)
                return output
            case ast.Call(ast.Name(name)):
                return self[f"{name}()"]
        raise AssertionError(ast.unparse(node))


def factors_of(formula):
    """('1 - ' or '', name, letters) of each factor of a product."""
    found = FACTOR.findall(BRACKET.sub("", formula))
    return [(minus, name, letters.replace(",", "")) for minus, name, letters in found]


def check_derivations(text, letters):
    """Hold each einsum line against the two formulas above it; say how many there were.

    The chain rule is applied to the partial derivative as a reader would: times the cotangent of
    the left side, with the brackets carried out, and the second letters renamed to the first ones.
    """
    lines = [MARGIN.sub("", line.strip().removeprefix("# ")) for line in text.splitlines()]
    count = 0
    for partial_line, line, *more in zip(lines, lines[1:], lines[2:], lines[3:], strict=False):
        if not (partial := PARTIAL.fullmatch(partial_line)):
            continue
        left, left_letters, name, seconds, rest = partial.groups()
        seconds = seconds.replace(",", "")
        brackets = dict(BRACKET.findall(rest))
        assert set(brackets.values()) <= set(seconds), partial_line
        product = [
            (minus, factor, "".join(brackets.get(letter, letter) for letter in word))
            for minus, factor, word in [*factors_of(f"d{left}[{left_letters}]"), *factors_of(rest)]
        ]
        used = {letter for _, _, word in product for letter in word}
        assert set(seconds) <= used, partial_line  # or the cotangent would lack a letter
        assert not set(letters[name]) & used, partial_line  # or renaming would merge two letters
        renamed = dict(zip(seconds, letters[name], strict=True))
        product = [
            (minus, factor, "".join(renamed.get(letter, letter) for letter in word))
            for minus, factor, word in product
        ]

        cotangent, own, summed, formula = COTANGENT.fullmatch(line).groups()
        own = own.replace(",", "")
        assert (cotangent, own) == (f"d{name}", letters[name]), line
        assert sorted(factors_of(formula)) == sorted(product), line
        assert set(summed or "") == used - set(seconds), line

        code = ast.parse(next(code for code in more if code.startswith(cotangent))).body[0]
        assert code.targets[0].id == cotangent
        subscripts, *operands = code.value.args
        terms, output = subscripts.value.split("->")
        assert output == own
        read = [
            ("1 - " if isinstance(x, ast.BinOp) else "", ast.unparse(x).removeprefix("1 - "), term)
            for x, term in zip(operands, terms.split(","), strict=True)
        ]
        assert read == factors_of(formula), line
        count += 1
    return count
