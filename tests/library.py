"""The scripts of `scripts/`: what is asked of each, mistakes in it, and what the check says of it, once a session.

A script is a file as a user has it. Those of `GENERATED` have every single edit made to them by `mutants`; the others
have mistakes that were picked by hand, and whose effects are known.
"""

import functools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from einbackprop.checking.reports import Report
from einbackprop.shell.scripts import check_script

SCRIPTS = Path(__file__).parent / "scripts"
TEMPORARY = tempfile.TemporaryDirectory(prefix="einbackprop-scripts-")


def text_of(name: str) -> str:
    """The text of a script."""
    return (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Mistake:
    """What stands in a script, what to put there instead, and the gradients that are wrong then."""

    before: str
    after: str
    wrong: tuple[str, ...] = ()

    def of(self, source: str) -> str:
        """Return the edited source; the text must stand there exactly once."""
        assert source.count(self.before) == 1, self.before
        return source.replace(self.before, self.after)


@dataclass(frozen=True)
class Script:
    """A script, the expressions that are asked of it, and mistakes by name."""

    name: str
    loss: str
    grads: str
    wrt: tuple[str, ...]
    mistakes: Mapping[str, Mistake] = field(default_factory=dict)

    @functools.cached_property
    def text(self) -> str:
        return text_of(self.name)

    def wrong(self, mistake: str) -> str:
        """The text with a mistake in it."""
        return self.mistakes[mistake].of(self.text)

    def report(self, text: str | None = None, setup: str = "", seed: int = 0) -> Report:
        """What the check says of the text, or of another one in its place; nobody changes it."""
        return report_of(self.text if text is None else text, self.loss, self.grads, self.wrt, setup, seed)


@functools.cache
def report_of(text: str, loss: str, grads: str, wrt: tuple[str, ...], setup: str = "", seed: int = 0) -> Report:
    """What the check says of a script named `script.py`; tests that ask the same share one check.

    Not for tests that break a part of the check, or that look at what a check leaves behind: those run their own.
    """
    path = Path(tempfile.mkdtemp(dir=TEMPORARY.name)) / "script.py"
    path.write_text(text, encoding="utf-8")
    return check_script(str(path), loss, grads, list(wrt), setup, seed)


def line_of(text: str, part: str) -> int:
    """The number of the first line in which a part of the text stands."""
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


# Columns are samples, weights are (out, in): the manner of the exercise.

LAYERS_OF_THREE = ("W1", "b1", "W2", "b2", "W3", "b3")
COLUMNS = Script("columns", "cost(run(theta, X)[-1], Y)", "back(run(theta, X), Y, theta)", ("theta",), {
    "transposed weight gradient": Mistake("dW2 = np.dot(d_two, one.T)", "dW2 = np.dot(one, d_two.T)", ("W2",)),
    "missing 1/B": Mistake("(guess - truth) / n", "(guess - truth)", LAYERS_OF_THREE),
    "factor 2": Mistake("(guess - truth) / n", "2 * (guess - truth) / n", LAYERS_OF_THREE),
    "sign": Mistake("(guess - truth) / n", "(truth - guess) / n", LAYERS_OF_THREE),
    "sign of one": Mistake("dW1 = np.dot(d_one, X.T)", "dW1 = -np.dot(d_one, X.T)", ("W1",)),
    "1/B twice": Mistake("dW3 = np.dot(d_guess, two.T)", "dW3 = np.dot(d_guess, two.T) / n", ("W3",)),
    "no derivative": Mistake(" * two * (1 - two)", "", ("W1", "b1", "W2", "b2")),
    "half a derivative": Mistake("* one * (1 - one)", "* one", ("W1", "b1")),
    "wrong-layer derivative": Mistake("* one * (1 - one)", "* two * (1 - two)", ("W1", "b1")),
    "derivative of tanh": Mistake("* two * (1 - two)", "* (1 - two**2)", ("W1", "b1", "W2", "b2")),
    "no bias sum": Mistake("db3 = d_guess.sum(axis=1)", "db3 = d_guess", ("b3",)),
    "bias sum keeps an axis": Mistake("db2 = d_two.sum(axis=1)", "db2 = d_two.sum(axis=1, keepdims=True)", ("b2",)),
    "bias sum over everything": Mistake("db1 = d_one.sum(axis=1)", "db1 = d_one.sum()", ("b1",)),
    "mean for a sum": Mistake("db2 = d_two.sum(axis=1)", "db2 = d_two.mean(axis=1)", ("b2",)),
    "untransposed W": Mistake("np.dot(W2.T, d_two)", "np.dot(W2, d_two)", ("W1", "b1")),
    "updated weight": Mistake("    d_one =", "    W2 = W2 - 0.1 * dW2\n    d_one =", ("W1", "b1")),
    "weight updated in place": Mistake("    d_one =", "    W2 -= 0.1 * dW2\n    d_one =", ("W1", "b1")),
    "another layer's delta": Mistake("dW2 = np.dot(d_two, one.T)", "dW2 = np.dot(d_two, two.T)", ("W2",)),
    "another bias": Mistake("return [dW1, db1,", "return [dW1, db2,", ("b1",)),
    "a gradient left out": Mistake("dW2, db2, dW3, db3]", "dW2, dW3, db3]", ("b2",)),
    "None for a gradient": Mistake("dW2, db2, dW3, db3]", "dW2, None, dW3, db3]", ("b2",)),
    "weight decay": Mistake("dW1 = np.dot(d_one, X.T)", "dW1 = np.dot(d_one, X.T) + 0.01 * W1", ("W1",)),
    "a millionth": Mistake("dW3 = np.dot(d_guess, two.T)", "dW3 = np.dot(d_guess, two.T) * (1 + 1e-6)", ("W3",)),
    "a nan": Mistake("db3 = d_guess.sum(axis=1)", "db3 = d_guess.sum(axis=1) * np.nan", ("b3",)),
})  # fmt: skip

# The styles that people write in.

LISTS = Script("lists", "cost(net, x, y)", "net.gradients(x, y)", ("net.biases", "net.weights"), {
    "no slope": Mistake("(outs[-1] - y) * slope(zs[-1])", "(outs[-1] - y)", (
        *(f"net.biases[{n}]" for n in range(3)), *(f"net.weights[{n}]" for n in range(3)))),
    "a factor": Mistake("in_weights[-1] = np.dot(", "in_weights[-1] = 2 * np.dot(", ("net.weights[2]",)),
})  # fmt: skip
UPDATES = Script("updates", "net.loss(X, y)", "step()", ("net.W1", "net.b1", "net.W2", "net.b2"), {
    "no decay": Mistake("dW1 = X.T @ da1 / m + 0.01 * self.W1", "dW1 = X.T @ da1 / m", ("W1",)),
    "no mean": Mistake("dW2 = self.a1.T @ d / m + 0.01", "dW2 = self.a1.T @ d + 0.01", ("W2",)),
    "no mean of a bias": Mistake(
        "db2 = np.sum(d, axis=0, keepdims=True) / m", "db2 = np.sum(d, axis=0, keepdims=True)", ("b2",)),
})  # fmt: skip
CHARACTERS = Script(
    "characters", "run(letters, nexts, start)[0]", "run(letters, nexts, start)[1:]", ("Wx", "Wh", "Wy", "bh", "by"),
    {"the step": Mistake("dWh += np.dot(raw, hs[t - 1].T)", "dWh += np.dot(raw, hs[t].T)", ("Wh",))},
)  # fmt: skip
PATCHES = Script(
    "patches", "loss(x, y)", "gradients(x, y)",
    (*(f"layers[{n}].W" for n in range(3)), *(f"layers[{n}].b" for n in range(3))), {
        "half": Mistake("self.dW = self.x.T @ d", "self.dW = self.x.T @ d / 2", ("layers[2].W",)),
        "overwritten": Mistake("padded[:, :, r:r + rows, s:s + columns] += found[:, :, r, s]",
                               "padded[:, :, r:r + rows, s:s + columns] = found[:, :, r, s]",
                               ("layers[0].W", "layers[0].b")),
    },
)  # fmt: skip
STYLES = {script.name: script for script in (LISTS, UPDATES, CHARACTERS, PATCHES)}

# Mistakes in a loop: one round set right makes no gradient right.

CELL = Script("cell", "run(p)[0]", "gradients(p)", ("p",), {
    "a term of the cell": Mistake(
        "dc = dc_next + dh * o * (1 - tc ** 2)", "dc = dh * o * (1 - tc ** 2)"),
    "an operand": Mistake("df = dc * (c - g)", "df = dc * (c_new - g)"),
    "a gate": Mistake("dg = dc * (1 - f)", "dg = dc * f"),
    "a term of the state": Mistake("dh = h - wanted[:, t] + dh_next", "dh = h - wanted[:, t]"),
})  # fmt: skip
CONTEXTS = Script("contexts", "step(W, U)[0]", "step(W, U)[1:]", ("W", "U"), {
    # an earlier call of the function, for the loss, ran the line as often
    "of a vector": Mistake("EI += y - t", "EI = y - t"),
    "of a row": Mistake("dW[k] += (y[k] - t[k]) * h", "dW[k] = (y[k] - t[k]) * h"),
})  # fmt: skip
HELPER = Script("helper", "loss(W, V)", "gradients(W, V)", ("W", "V"))
MASKED = Script("masked", "loss(W, V)", "gradients(W, V)", ("W", "V"), {
    "a factor": Mistake("h.T @ error", "2 * h.T @ error", ("V",)),
})  # fmt: skip
CACHING_NET = Script("caching_net", "((net.forward(X) - Y) ** 2).sum()", "net.backward(2 * (net.forward(X) - Y))",
                     ("net.W", "net.b"))  # fmt: skip
NORM = Script("norm", "loss(x, g, t)", "grads(x, g, t)", ("x",))

# Mistakes that what the check proposes repairs: a line, and what stands in its place.

LAYERS = Script("layers", "loss(W, b, x, t)", "backward(W, b, x, t)", ("W", "b"), {
    "a helper": Mistake("    return 1 - y ** 2", "    return 1 + y ** 2"),
    "an operand": Mistake("        dW[l] = d @ a[l].T", "        dW[l] = (d + d) @ a[l].T"),
    "an axis": Mistake("        db[l] = d.sum(axis=1, keepdims=True)", "        db[l] = d.mean(axis=1, keepdims=True)"),
    "a factor": Mistake("    d = 2 * (a[-1] - t) / x.shape[1]", "    d = (a[-1] - t) / x.shape[1]"),
    "a size": Mistake("    d = 2 * (a[-1] - t) / x.shape[1]", "    d = 2 * (a[-1] - t)"),
})  # fmt: skip
RECURRENT = Script("recurrent", "cost(p, x, y)", "bptt(p, x, y)", ("p",), {
    "the entry before": Mistake('        g["Wh"] += np.outer(hs[t - 1], dz)', '        g["Wh"] += np.outer(hs[t], dz)'),
    "the order": Mistake('        g["Wx"] += np.outer(x[t], dz)',
                         '        g["Wx"] += np.outer(dz, x[t]).reshape(g["Wx"].shape)'),
    "= for +=": Mistake('        g["b"] += dz', '        g["b"] = dz'),
    "a transpose": Mistake('        dnext = p["Wh"] @ dz', '        dnext = p["Wh"].T @ dz'),
    "a term": Mistake("        dh = hs[t] - y[t] + dnext", "        dh = hs[t] - y[t]"),
    "a sign": Mistake("        dz = dh * (1 - hs[t] ** 2)", "        dz = dh * (1 + hs[t] ** 2)"),
})  # fmt: skip
WORDS = Script("words", "loss(E, V, words, t)", "grads(E, V, words, t)", ("E", "V"), {
    "np.add.at": Mistake("    np.add.at(dE, words, dz)", "    dE[words] += dz"),
    "a comparison": Mistake("    dz = np.where(z > 0, dh, 0.0)", "    dz = np.where(z < 0, dh, 0.0)"),
    "what is chosen": Mistake("    dz = np.where(z > 0, dh, 0.0)", "    dz = np.where(z > 0, z, 0.0)"),
    "a penalty": Mistake("    dV = h.T @ d + 0.1 * V", "    dV = h.T @ d"),
    "returned": Mistake("    return dE, dV", "    return dE, d"),
})  # fmt: skip
ENTRIES = Script("entries", "loss(params, 0.05)", "gradients(params, 0.05)", ("params",), {
    "half of a penalty": Mistake(
        '    grads["W2"] += 2 * reg * params["W2"]', '    grads["W2"] += reg * params["W2"]'),
    "half of a term": Mistake('    grads["W1"] = X.T @ dz + 2 * reg * params["W1"]',
                              '    grads["W1"] = X.T @ dz + reg * params["W1"]'),
    "a size": Mistake("    d = 2 * (out - Y) / n", "    d = 2 * (out - Y)"),
    "a factor": Mistake("    d = 2 * (out - Y) / n", "    d = (out - Y) / n"),
    "a product": Mistake('    dz = (d @ params["W2"].T) * slope(h)', '    dz = (d @ params["W2"].T) * 2 * slope(h)'),
})  # fmt: skip
PARAMETERS = ("E", "W1", "b1", "gain", "shift", "W2", "b2", "W3", "b3")
FORTY = Script("forty_steps", f"loss({', '.join(PARAMETERS)})", f"gradients({', '.join(PARAMETERS)})", PARAMETERS, {
    "a sign": Mistake("    dp = -hot / p / N", "    dp = hot / p / N"),
    "no mean": Mistake("    dp = -hot / p / N", "    dp = -hot / p"),
    "a sum over columns": Mistake(
        "    row = part.sum(axis=1, keepdims=True)", "    row = part.sum(axis=0, keepdims=True)"),
    "an operand of the softmax": Mistake("    cross = p * row", "    cross = part * row"),
    "no cross term": Mistake("    dscores = part - cross", "    dscores = part"),
    "no transpose": Mistake("    h2_columns = h2.T", "    h2_columns = h2.T[::-1]"),
    "another layer's values": Mistake("    db2 = da2.sum(axis=0)", "    db2 = dh2.sum(axis=0)"),
    "a power": Mistake("    square = h2 ** 2", "    square = h2 ** 3"),
    "a sum for a difference": Mistake("    slope = 1 - square", "    slope = 1 + square"),
    "half of a penalty": Mistake("    decay = 2 * reg * W2", "    decay = reg * W2"),
    "no penalty": Mistake("    dW2 = data + decay", "    dW2 = data"),
    "a comparison": Mistake("    mask = a1 > 0", "    mask = a1 < 0"),
    "no mask": Mistake("    da1 = dh1 * mask", "    da1 = dh1"),
    "a mean for a sum": Mistake("    dgain = product.sum(axis=0)", "    dgain = product.mean(axis=0)"),
    "no gain": Mistake("    dnormal = da1 * gain", "    dnormal = da1 * shift"),
    "a square for a cube": Mistake("    cube = inv ** 3", "    cube = inv ** 2"),
    "no factor of two": Mistake("    by_var = 2 * centred * dvar / N", "    by_var = centred * dvar / N"),
    "no mean of the norm": Mistake("    dz = dcentred + dmean / N", "    dz = dcentred"),
    "= for +=": Mistake("            dE[words[n, t]] += dwords[n, t]", "            dE[words[n, t]] = dwords[n, t]"),
    "an index": Mistake("            dE[words[n, t]] += dwords[n, t]", "            dE[words[n, t]] += dwords[n, 0]"),
    "what is returned": Mistake("    return dE, dW1, db1, dgain, dshift,", "    return dE, dW1, db1, dshift, dgain,"),
})  # fmt: skip
GATES = Script("gates", "cost(W, F, x, t)", "gradients(W, F, x, t)", ("W", "F"), {
    "a derivative": Mistake("        d_z = d_h * self.act.prime(self.z)", "        d_z = d_h"),
    "a root": Mistake("        scale = 1 / np.sqrt(width)", "        scale = 1"),
    "an entry": Mistake("                self.dF[f] += d_out[i, f] * window", "                self.dF[f] += window"),
    "a number": Mistake("        bend = 1 + 3 * 0.0447 * self.h**2", "        bend = 1 + self.h**2"),
    "a sign of an update": Mistake("        self.dW += scale * np.outer(d_z, x)",
                                   "        self.dW -= scale * np.outer(d_z, x)"),
})  # fmt: skip
REPAIRED = {script.name: script for script in (LAYERS, RECURRENT, WORDS, ENTRIES, GATES)}


# Scripts with every single edit


@dataclass(frozen=True)
class Generated:
    """A script with `build(rng, sizes)`, `loss(*arguments)` and `gradients(*arguments)`.

    `wrt` are paths into the arguments, one for each gradient; `edited` the functions whose lines are edited. `equal`
    and `distinct` are sizes at which it runs.
    """

    name: str
    source: str
    wrt: tuple[tuple[object, ...], ...]
    edited: tuple[str, ...]
    equal: tuple[int, ...]
    distinct: tuple[int, ...]


def arguments(count: int) -> tuple[tuple[object, ...], ...]:
    """The first arguments, each an array."""
    return tuple((n,) for n in range(count))


GENERATED = [
    Generated("columns", text_of("columns_by_ones"), tuple((0, n) for n in range(6)), ("deriv_cost", "back"),
              (4,) * 5, (3, 5, 6, 2, 4)),
    Generated("rows", text_of("rows"), arguments(6), ("gradients",), (4,) * 4, (5, 3, 6, 4)),
    Generated("class", text_of("classes"), tuple((0, n, k) for n in range(3) for k in range(2)),
              ("backward", "gradients"), (4,) * 5, (5, 3, 6, 7, 4)),
    Generated("batch norm", text_of("batch_norm"), arguments(5), ("gradients",), (4,) * 4, (6, 3, 5, 4)),
    Generated("softmax", text_of("softmax"), arguments(4), ("gradients",), (4,) * 4, (6, 3, 5, 4)),
    Generated("lstm", text_of("lstm"), (*arguments(4), (6,)), ("gradients",), (4,) * 3, (5, 3, 4)),
    Generated("attention", text_of("attention"), arguments(4), ("gradients",), (4,) * 4, (5, 6, 3, 4)),
]  # fmt: skip


def exercise(path: Path) -> Generated:
    """The script that the project was born from, where it is at hand: its functions, without what runs at its end."""
    text = path.read_text(encoding="utf-8")
    functions = text[: text.index("\nparameters, X, Y = ")] + "\n\n" + text_of("around_the_exercise")
    paths = tuple((0, n) for n in range(6))
    return Generated("exercise", functions, paths, ("deriv_squared_loss", "backward"), (4,) * 5, (3, 5, 6, 2, 4))
