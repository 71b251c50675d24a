"""Programs written as text, one equation a line, for tests."""

from equation_parser import Scanner, parse_all, parse_ref

from einbackprop.core.program import Dimension, Input, Program, operands

SIZES = {"b": 5, "c": 5, "k": 4, "l": 4, "m": 4, "n": 4, "j": 3, "i": 2}


def program(text: str, dimensions: str = "bc klmn j i", **dtypes: str) -> Program:
    """A program from its equations: what none makes is an input; letters in one word range over one dimension."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    equations = tuple(parse_all(line) for line in lines)
    made = {equation.out.name for equation in equations}
    inputs: dict[str, Input] = {}
    for equation in equations:
        for ref in operands(equation):
            if ref.name not in made:
                inputs.setdefault(ref.name, Input(ref, dtypes.get(ref.name, "float64")))
    known = tuple(Dimension(word, SIZES.get(word[0], 3)) for word in dimensions.split())
    return Program(tuple(inputs.values()), equations, (equations[-1].out,), known)


def ref(text: str):
    """A Ref from its text."""
    return parse_ref(Scanner(text))
