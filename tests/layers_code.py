"""Holds the einsum lines of the catalogue's code against the equations of its derivations.

Both become one canonical form: a set of terms, each a number, factors in no order, and the letters summed over. Then
`dx = einsum("ij,ib->jb", W, dz)` and `dx[j,b] = Σ_i W[i,j] dz[i,b]` are the same. The letter t of a loop over steps is
left out on both sides, and so are all letters where the code says `...`.
"""

import ast
import inspect
from collections import Counter
from fractions import Fraction

from layers_cases import RECURRENT, tree_of
from layers_reading import Equation, lines_of, parse

from einbackprop.layers import CATALOGUE


def canonical(tree, drop=""):
    """A frozen multiset of terms: number, factors, letters summed."""
    terms = tree[1] if tree[0] == "terms" else ((1, tree),)
    found = Counter()
    for sign, term in terms:
        number, factors, summed = flattened(term, 1, drop)
        found[(sign * number, frozenset(Counter(factors).items()), frozenset(summed))] += 1
    return frozenset(found.items())


def flattened(tree, exponent, drop):
    """A product's number, its other factors each with an exponent, and the letters that it sums over."""
    match tree:
        case ("number", number):
            return number**exponent, [], set()
        case ("ref", "ones", letters) if letters and not set(letters) - set(drop):
            return Fraction(1), [], set()
        case ("product", factors):
            number, others, summed = Fraction(1), [], set()
            for inner, power in factors:
                more, rest, letters = flattened(inner, exponent * power, drop)
                number, others, summed = number * more, others + rest, summed | letters
            return number, others, summed
        case ("sum", letters, inner):
            number, others, summed = flattened(inner, exponent, drop)
            return number, others, summed | (set(letters) - set(drop) if drop != "..." else set())
        case ("power", inner, power):
            return Fraction(1), [(atom(inner, drop), exponent * power)], set()
        case ("terms", ((sign, inner),)):
            number, others, summed = flattened(inner, exponent, drop)
            return sign * number, others, summed
    return Fraction(1), [(atom(tree, drop), exponent)], set()


def atom(tree, drop):
    match tree:
        case ("ref", name, letters):
            kept = () if drop == "..." else tuple(i for i in letters if i not in drop)
            return "ref", name, tuple(i for i in letters if i.isdigit()) if drop == "..." else kept
        case ("call", name, arguments):
            return "call", name, tuple(canonical(argument, drop) for argument in arguments)
        case ("terms", _) | ("product", _) | ("sum", _, _):
            return canonical(tree, drop)
    return tree


# The code


def einsum_calls(node):
    return [n for n in ast.walk(node) if isinstance(n, ast.Call) and getattr(n.func, "id", None) == "einsum"]


def assigned(function):
    """Each name that a function gives to something with an einsum in it, with its leading numbers, and the value."""
    for node in ast.walk(tree_of(function)):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and einsum_calls(node.value):
            where = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name, numbers = subscripted(where)
            yield name, numbers, node.value


def subscripted(node):
    """`da[0, t]` is da with the number 0; a step t and a whole axis say nothing here."""
    if isinstance(node, ast.Name):
        return ("ones" if node.id.startswith("ones") else node.id), ()
    assert isinstance(node, ast.Subscript), ast.unparse(node)
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    numbers = tuple(str(item.value) for item in items if isinstance(item, ast.Constant))
    assert all(isinstance(i, ast.Constant | ast.Slice) or getattr(i, "id", "") == "t" for i in items)
    return node.value.id, numbers


def tree_of_code(node, letters):
    """The tree of an expression whose value has these letters."""
    match node:
        case ast.Constant(value):
            return "number", Fraction(value)
        case ast.UnaryOp(ast.USub(), operand):
            return "terms", ((-1, tree_of_code(operand, letters)),)
        case ast.BinOp(left, ast.Add() | ast.Sub() as operator, right):
            sign = -1 if isinstance(operator, ast.Sub) else 1
            left, right = tree_of_code(left, letters), tree_of_code(right, letters)
            terms = left[1] if left[0] == "terms" else ((1, left),)
            return "terms", (*terms, (sign, right))
        case ast.BinOp(left, ast.Mult() | ast.Div() as operator, right):
            exponent = -1 if isinstance(operator, ast.Div) else 1
            return "product", ((tree_of_code(left, letters), 1), (tree_of_code(right, letters), exponent))
        case ast.Compare(ast.Name(left), [operator], [ast.Constant(right)]):
            relation = {ast.Gt: ">", ast.LtE: "≤"}[type(operator)]
            return parse(f"[{left} {relation} {right}]")
        case ast.Call(ast.Name("einsum"), [ast.Constant(subscripts), *operands]):
            terms, output = subscripts.split("->")
            assert output == letters or letters == "any", f"{subscripts} where {letters} is meant"
            terms = terms.split(",")
            inner = tuple((tree_of_code(x, term), 1) for x, term in zip(operands, terms, strict=True))
            summed = "".join(dict.fromkeys(i for term in terms for i in term if i not in output and i != "."))
            return ("sum", summed, ("product", inner)) if summed else ("product", inner)
        case ast.Call(ast.Attribute(ast.Name("math"), "sqrt"), [argument]):
            return "power", tree_of_code(argument, ""), Fraction(1, 2)
        case ast.Call(ast.Attribute(ast.Name("np"), "minimum"), [argument, limit]):
            return "call", "min", (tree_of_code(argument, letters), tree_of_code(limit, ""))
        case ast.Call(ast.Attribute(ast.Name("np"), name) | ast.Name(name), [argument]):
            return "call", name, (tree_of_code(argument, letters),)
        case ast.Name(name) if name.isupper() and len(name) == 1 and not letters:
            return "size", name
        case ast.Name() | ast.Subscript():
            name, numbers = subscripted(node)
            return "ref", name, (*numbers, *(() if letters == "..." else letters))
    raise AssertionError(ast.unparse(node))


def outputs_of(node):
    """The letters of an expression: those of the einsums in it that are not inside of another one."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "einsum":
        return {node.args[0].value.split("->")[1]}
    return {letters for child in ast.iter_child_nodes(node) for letters in outputs_of(child)}


def functions_of(layer):
    """Forward, vjp, and the functions of the same file that these call and that are no layers themselves."""
    module = inspect.getmodule(layer.vjp)
    layers = {f for other in CATALOGUE.values() for f in (other.forward, other.vjp)}
    found = [layer.forward, layer.vjp]
    for function in found:
        for node in ast.walk(tree_of(function)):
            called = getattr(module, node.id, None) if isinstance(node, ast.Name) else None
            if inspect.isfunction(called) and called.__module__ == module.__name__ and called not in [*found, *layers]:
                found.append(called)
    return [function for function in found if inspect.getmodule(function) is module]


def unexplained(layer):
    """The einsum lines of a layer's code that are no equation of its derivation, and how many are one."""
    equations = [line for line in lines_of(layer.derivation) if isinstance(line, Equation)]
    loops = "t" if layer.name in RECURRENT else ""
    missing, count = [], 0
    for function in functions_of(layer):
        for name, numbers, value in assigned(function):
            (letters,) = outputs_of(value)
            drop = "..." if letters == "..." else loops
            code = canonical(tree_of_code(value, letters), drop)
            stated = [
                canonical(e.right, drop)
                for e in equations
                if e.name == name and tuple(i for i in e.letters if i.isdigit()) == numbers
                and (drop == "..." or set(e.letters) - set(numbers) - set(loops) == set(letters) - set(loops))
            ]  # fmt: skip
            count += 1
            if code not in stated:
                missing.append(f"{function.__name__}: {name} = {ast.unparse(value)}")
    return missing, count
