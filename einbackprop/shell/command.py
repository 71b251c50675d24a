"""The command line: what the options are called; no logic.

Everything that costs is imported when a subcommand runs, so that ``--help`` is instant.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NoReturn

from einbackprop.core.visible import one_line, shortened, visible
from einbackprop.errors import EinbackpropError, OptionError, SubscriptsError
from einbackprop.notation.console import complain, is_unicode, say, say_json

if TYPE_CHECKING:
    from einbackprop.core.progress import InternalFault
    from einbackprop.shell.formats import Outcome
    from einbackprop.shell.scripts import Shown

_CHECK = """\
Judge a hand-written gradient: is GRADS the gradient of LOSS with respect to NAME?

Without SCRIPT, all that [tool.einbackprop] in the nearest pyproject.toml asks for is checked:
  checks = [{script = "mynet.py", loss = "…", grads = "…", wrt = ["W"]}, …]

SCRIPT runs as an import would run it; the expressions are evaluated among its names, at freshly
drawn values of NAME, so nothing in the file has to change. Give --loss and --grads, or --both, or,
of a layer without a loss, --forward and --backward. SCRIPT alone: what it seems to ask is found by
its names, returns and calls, said, and checked."""

_CHECK_EXAMPLE = """\
examples:
  einbackprop example mynet.py
  einbackprop check mynet.py
  einbackprop check mynet.py --loss "loss(weights, X, T)" --grads "gradients(weights, X, T)" \\
      --wrt weights
  einbackprop check svm.py --both "svm_loss(W, X, y)" --wrt W
  einbackprop check layers.py --forward "affine_forward(x, w, b)" \\
      --backward "affine_backward(dout, cache)" --wrt x --wrt w --wrt b
  einbackprop check layers.py --forward "layer.forward(x)" --backward "layer.backward(dout)" \\
      --wrt x --wrt layer.W

exit code:
  0  every gradient is right
  1  a gradient is wrong
  2  the script or an expression could not be used
  3  undecided: a kink, or a reference that is not certain enough
  4  einbackprop failed before there was a verdict; it says how to report that
of several checks, the one that comes first in: 4, 2, 1, 3, 0"""

_QUIZ = """\
Put one mistake into a backward that is right, of a kind that people make, and ask for its line.

What is right is said as for check; without options it is proposed. Every mistake is tried: the code
runs to its end, and the check finds a gradient wrong."""

_QUIZ_EXIT = """\
examples:
  einbackprop example mynet.py
  einbackprop quiz mynet.py --level 2
  einbackprop quiz mynet.py --loss "loss(weights, X, T)" --grads "gradients(weights, X, T)" \\
      --wrt weights --seed 7 --write exercise.py --solution

exit code:
  0  the answer is the line, or there was none to give (--write, --solution)
  1  it is another line
  2  the script or an option could not be used, or no answer was given"""

_TRAIN_EXIT = """\
exit code:
    0  trained
    2  an option, the data or a checkpoint could not be used; nothing was written
  130  interrupted by Ctrl-C; what was reached is saved, if --save is given"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        return _run(argv)
    except KeyboardInterrupt:
        complain("einbackprop: interrupted")
        return 130


def _run(argv: Sequence[str] | None) -> int:
    """Run a subcommand: its exit code, 2 for what the user can set right, 4 for a mistake of ours."""
    from einbackprop.core.progress import collecting, contained

    def work() -> int:
        try:
            options = _parser().parse_args(argv)
            return int(options.run(options))
        except SubscriptsError as error:  # with a caret under the character
            complain(f"einbackprop: {error}")
            return 2
        except EinbackpropError as error:
            complain(f"einbackprop: {' '.join(str(error).split())}")
            return 2

    with collecting() as faults:
        code = contained("the command", work, None)
    if faults:
        return _failed(faults[-1])
    if code is None:
        complain("einbackprop: the time was over before anything was decided: --seconds gives more")
        return 3
    return code


def _failed(fault: "InternalFault") -> int:
    """Say that a mistake of ours has left the command without an answer."""
    said = one_line(f"{fault.kind}: {fault.message}" if fault.message else fault.kind)
    complain(f"einbackprop: a mistake of einbackprop itself, not of your code: {said} at {fault.place}. "
             "Nothing was decided. Please report it with what EINBACKPROP_TRACEBACK=1 prints.")
    return 4


class _Parser(argparse.ArgumentParser):
    """A parser whose help and complaints are safe to show, on a console of any encoding."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not None and file is sys.stdout:
            say(message, end="")
        elif message:
            complain(message.rstrip("\n"))


class _Asking(_Parser):
    """A parser of options that do not come from a console: what is wrong with them is raised."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


def asked(arguments: Sequence[str], more: "_Options | None" = None) -> argparse.Namespace:
    """The options of a check, and more, of a list such as ``["--loss=f(x)", …]``. Raises OptionError."""
    parser = _Asking(prog="check", add_help=False, allow_abbrev=False)
    _add_options(parser, {**ASKED, **(more or {})})
    return parser.parse_args(arguments)


def installed_version() -> str:
    """The version of the package, for people."""
    try:
        return version("einbackprop")
    except PackageNotFoundError:  # run from a checkout
        return "(not installed)"


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no whole number from 0 to 4294967295")
    return seed


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return seconds


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not a list of numbers such as 256,128") from None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no whole number from 1")
    return int(text)


def _pairs(text: str, example: str) -> dict[str, str]:
    """``a=b,c=d`` as a dict."""
    parts = [part.partition("=") for part in text.split(",")]
    if any(not key.strip() or not equals or not value.strip() for key, equals, value in parts):
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not written as {example}")
    found = {key.strip(): value.strip() for key, _, value in parts}
    if len(found) < len(parts):
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} names one thing twice")
    return found


def _mesh(text: str) -> dict[str, int]:
    """``data=4,model=2``."""
    try:
        return {axis: int(count) for axis, count in _pairs(text, "data=4,model=2").items()}
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{shortened(text)!r} has a length that is no whole number, as in data=4") from None


def _placed(text: str) -> dict[str, str]:
    """``b=data,j=model``."""
    return _pairs(text, "b=data,j=model")


def _output(text: str) -> tuple[str, dict[str, str]]:
    """``dW:i=data``."""
    name, colon, letters = text.rpartition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not written as dW:i=data")
    return name.strip(), _pairs(letters, "dW:i=data")


def _together(outputs: Sequence[tuple[str, dict[str, str]]]) -> dict[str, dict[str, str]]:
    """All that was asked of each result, which may be named more than once."""
    found: dict[str, dict[str, str]] = {}
    for name, letters in outputs:
        found.setdefault(name, {}).update(letters)
    return found


def _process(text: str) -> tuple[int, int]:
    """``0/2``: the first of two."""
    process, _, processes = text.partition("/")
    if not (process.isdecimal() and processes.isdecimal() and int(process) < int(processes)):
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not written as 0/2 and 1/2, the processes of two")
    return int(process), int(processes)


def _hint(text: str) -> int:
    if text not in ("1", "2"):
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no level: it is --hint, --hint 1 or --hint 2, and "
                                         "stands after SCRIPT")  # fmt: skip
    return int(text)


_Options = Mapping[str, Mapping[str, Any]]
"""Arguments and options by name, each with what ``add_argument`` takes."""

_FORCE: _Options = {"--force": {"action": "store_true", "help": "replace files that einbackprop did not write"}}
_PAGE: _Options = {"--html": {"metavar": "FILE", "help": "write it as a page too"}, **_FORCE}
_FORMATS = {"--latex": {"action": "store_true", "help": "print it as LaTeX, for a document with amsmath"}, **_PAGE}
_SCRIPT: _Options = {"script": {"metavar": "SCRIPT", "help":
    "the Python file, or a notebook: its code cells run in order, numbered from 1 as in In [1], empty ones left out"}}
_EXPRESSIONS: _Options = {
    option: {"default": "", "metavar": "EXPRESSION", "help": what}
    for option, what in (
        ("--loss", "the loss, one number"),
        ("--grads", "the gradients; with --backward, where they are after it, as in 'returned, layer.dW'"),
        ("--both", "the loss and its gradients together: (loss, grads), or loss, dW, db"),
        ("--forward", "the output of a layer, several, or (output, cache)"),
        ("--backward", "its backward; it can read dout, the cotangent, which is drawn, and forward's out and cache"),
    )
}
_SETTING: _Options = {
    "--setup": {"default": "", "metavar": "STATEMENTS",
                "help": "run after the script; single letters without a value become sizes"},
    "--seed": {"type": _seed, "default": 0, "metavar": "N", "help": "decides all draws"},
}  # fmt: skip
ASKED: _Options = {
    **_EXPRESSIONS,
    "--cotangent": {"default": "dout", "metavar": "NAME", "help": "another name for dout"},
    "--wrt": {"action": "append", "default": [], "metavar": "NAME",
              "help": "what the gradients are with respect to: a name, net.W1 or p['W1']; may be repeated"},
    **_SETTING,
    "--seconds": {"type": _seconds, "metavar": "N", "help":
                  "end after about so long, with what there is: what was not compared by then is undecided"},
}  # fmt: skip
"""What is asked of a script: a project, and a cell of a notebook, ask by the same names."""

_CHECKED: _Options = {"script": {"nargs": "?", **_SCRIPT["script"]}, **ASKED}
_QUIZ_OPTIONS: _Options = {
    "script": {"metavar": "SCRIPT", "help": "the Python file"},
    **{name: option for name, option in ASKED.items() if name != "--seconds"},
    "--seed": {"type": _seed, "default": 0, "metavar": "N", "help": "which mistake it is: the same for the same N"},
    "--level": {"type": int, "choices": (1, 2, 3), "default": 1, "help":
                "1: sign, transpose, operand; 2: factor, axis, derivative; 3: missing path, index, order"},
    "--solution": {"action": "store_true", "help": "say which line it is, and what it should be, without asking"},
}  # fmt: skip
_QUIZ_ANSWERED: _Options = {
    "--answer": {"type": _count, "metavar": "LINE", "help": "the line, in place of asking for it"},
    "--write": {"metavar": "FILE", "help": "write the script with the mistake into a file, in place of asking"},
}  # fmt: skip
_SHOWN: _Options = {
    "--format": {"choices": ("text", "json", "lines", "github", "sarif"), "default": "text", "help":
                 "what to print: text (the default), json, lines as file:line:column: for editors, annotations for "
                 "GitHub, or SARIF"},
    "--json": {"action": "store_const", "dest": "format", "const": "json", "help": "short for --format json"},
    "--diff": {"action": "store_const", "dest": "format", "const": "diff", "help":
               "print a patch of all that is to be written, for patch -p0 or git apply; none of notebooks"},
}  # fmt: skip
HINT: _Options = {
    "--hint": {"type": _hint, "nargs": "?", "const": 1, "metavar": "LEVEL", "help":
               "never say what is right: 1 (the default) says each line and the kind of mistake, 2 the line alone"},
}  # fmt: skip
_READ_OPTIONS: _Options = {
    **_SCRIPT, "expression": {"metavar": "EXPRESSION", "nargs": "?", "help":
                              "such as backward(activations, Y, parameters); without it, what makes gradients"},
    **_SETTING, **_FORMATS,
}
_DERIVED: _Options = {
    **_SCRIPT,
    "--loss": {"required": True, "metavar": "EXPRESSION", "help": "the loss, one number"},
    "--wrt": {"required": True, "action": "append", "metavar": "NAME",
              "help": "what to differentiate with respect to: a name, net.W1 or p['W1']; may be repeated"},
    "--target": {"choices": ("numpy", "jax", "torch"), "default": "numpy",
                 "help": "what runs the source: numpy (the default), jax or torch"},
    **_SETTING, **_FORMATS,
}  # fmt: skip
_MESH = {"type": _mesh, "metavar": "AXIS=N,…", "help": "the devices: data=4,model=2"}
_LETTERS = {"type": _placed, "metavar": "LETTER=AXIS,…", "help": "what lies on which axis: b=data,j=model"}
_SHARDED: _Options = {
    **_SCRIPT,
    "expression": {"metavar": "EXPRESSION", "help": "such as gradients(weights, X, T); with --wrt, a loss"},
    "--mesh": {"required": True, **_MESH}, "--letters": _LETTERS,
    "--output": {"type": _output, "action": "append", "metavar": "NAME:LETTER=AXIS,…",
                 "help": "a result that is to lie on a further axis: dW:i=data; may be repeated"},
    "--pad": {"action": "store_true", "help": "fill up sizes that do not divide among the devices"},
    "--suggest": {"type": _count, "metavar": "N",
                  "help": "without --letters: how many ways to show of those that share work, by what they move: 5"},
    "--wrt": {"action": "append", "default": [], "metavar": "NAME",
              "help": "take the gradient of EXPRESSION with respect to this; may be repeated"},
    **_SETTING, "--json": {"action": "store_true", "help": "print it as JSON"}, **_PAGE,
}  # fmt: skip
_EXPLAINED: _Options = {
    "what": {"metavar": "SUBSCRIPTS|LAYER", "nargs": "?", "help": "'ij,jb->ib', or the name of a layer"},
    "--names": {"metavar": "W,x", "help": "what to call the operands"},
    "--result": {"metavar": "z", "help": "what to call the result"},
    **_FORMATS,
}
_WRITTEN: _Options = {
    "name": {"nargs": "?", "default": "mynet.py", "metavar": "NAME", "help": "mynet.py unless given"},
    "--list": {"action": "store_true", "help": "say which there are"}, **_FORCE,
}  # fmt: skip
_SITE: _Options = {
    "folder": {"metavar": "FOLDER", "help": "where to write it; any host of static files can serve it"},
    "--pyodide": {"default": "", "metavar": "FOLDER", "help":
                  "with the files of Pyodide and its NumPy, to be copied beside the page: nothing is fetched from "
                  "elsewhere then"},
    **_FORCE,
}  # fmt: skip
_OF_TRAINING: _Options = {
    "--batch": {"type": int, "metavar": "N", "help": "how many samples a step takes"},
    "--learning-rate": {"type": float, "metavar": "R", "help": "the largest of AdamW"},
    "--decay": {"type": float, "metavar": "R", "help": "of the weights, times the rate"},
    "--seed": {"type": int, "metavar": "N", "help": "decides all draws: 0"},
    "--check": {"action": "store_true", "help": "verify every gradient first"},
    "--plot": {"metavar": "FILE", "help": "draw loss and accuracy: .png, .svg or .pdf"},
    "--save": {"metavar": "FILE", "help": "write checkpoints, also when interrupted"},
    "--load": {"metavar": "FILE", "help": "go on from a checkpoint, with its settings"},
    "--mesh": {**_MESH, "help": "train on devices of JAX: data=2, or data=4,model=2"},
    "--letters": {**_LETTERS, "help": "what lies on which axis of the mesh: the samples, b, on its first unless given"},
    "--process": {"type": _process, "metavar": "K/N", "help": "this is one of N processes that share the mesh: 0/2"},
    "--coordinator": {"metavar": "HOST:PORT", "help": "where process 0 listens and the others find it"},
    **_FORCE,
}
_OF_DIGITS: _Options = {
    "--network": {"choices": ("mlp", "conv"), "help": "conv unless given"},
    "--hidden": {"type": _numbers, "metavar": "N,N", "help": "units of the mlp's hidden layers: 256,128"},
    "--channels": {"type": _numbers, "metavar": "N,N", "help": "channels of the two convolutions: 16,32"},
    "--epochs": {"type": int, "metavar": "N", "help": "how often each image is seen: 80, and 150 for the mlp"},
    **_OF_TRAINING,
}
_OF_TEXT: _Options = {
    "file": {"metavar": "FILE", "nargs": "?", "help": "a text in UTF-8; Python's own help texts unless given"},
    "--context": {"type": int, "metavar": "N", "help": "how many characters the network sees: 64"},
    "--features": {"type": int, "metavar": "N", "help": "64, a multiple of the heads"},
    "--heads": {"type": int, "metavar": "N", "help": "4"},
    "--blocks": {"type": int, "metavar": "N", "help": "2"},
    "--steps": {"type": int, "metavar": "N", "help": "3000"},
    **_OF_TRAINING,
}


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="einbackprop",
        description="Hand-written NumPy gradients, read and checked in index notation.",
    )
    parser.add_argument("--version", action="version", version=f"einbackprop {installed_version()}")
    subcommands = parser.add_subparsers(title="subcommands", required=True, metavar="SUBCOMMAND")
    check = _add(
        subcommands, "check", _check, _CHECKED,
        help="judge the gradients of a script",
        description=_CHECK,
        epilog=_CHECK_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _add_options(check.add_mutually_exclusive_group(), _SHOWN)
    _add_options(check, {**HINT, **_PAGE})
    quiz = _add(
        subcommands, "quiz", _quiz, _QUIZ_OPTIONS,
        help="put a mistake into a script that is right, and ask for its line",
        description=_QUIZ, epilog=_QUIZ_EXIT, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    quiz.set_defaults(seconds=None)
    _add_options(quiz.add_mutually_exclusive_group(), _QUIZ_ANSWERED)
    _add_options(quiz, _FORCE)
    _add(
        subcommands, "read", _read, _READ_OPTIONS,
        help="show every line that an expression runs, in index notation",
        description="Show every line that EXPRESSION runs, in index notation and as einsum.",
    )  # fmt: skip
    _add(
        subcommands, "derive", _derive, _DERIVED,
        help="write the gradient of a loss as readable source",
        description="Write the gradient of LOSS as Python, one einsum a line, each under the line it comes from.",
    )  # fmt: skip
    _add(
        subcommands, "shard", _shard, _SHARDED,
        help="what each line costs on several devices, with letters on the axes of a mesh",
        description="Say of every line that EXPRESSION runs what each device holds, computes and sends.",
    )  # fmt: skip
    _add(
        subcommands, "explain", _explain, _EXPLAINED,
        help="why a backward formula is what it is: of an einsum, or of a layer of the catalogue",
        description="Derive the backward of 'ij,jb->ib', or show a layer of the catalogue. Alone: list the catalogue.",
    )  # fmt: skip
    _add(
        subcommands, "example", _example, _WRITTEN,
        help="write an example script to try the others on",
        description="Write an example script into this directory. Its first lines say how to check it: do, break a "
        "line of it, and check again.",
    )  # fmt: skip
    _add(
        subcommands, "web", _web, _SITE,
        help="write the page that needs no installation: read, check and derive in a browser",
        description="Write a site of static files, whose page reads and checks pasted code in the reader's browser.",
    )  # fmt: skip
    train = subcommands.add_parser(
        "train",
        help="train a network of the catalogue's layers on real data",
        description="Train a network that is put together of the catalogue's layers, by gradients that are derived.",
    )
    data = train.add_subparsers(title="data", required=True, metavar="DATA")
    _add(
        data, "digits", _train_digits, _OF_DIGITS,
        help="1797 handwritten digits", description="Train on handwritten digits; a fifth is held out.",
        epilog=_TRAIN_EXIT, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _add(
        data, "text", _train_text, _OF_TEXT,
        help="a text, as characters", description="Train a small GPT on a text; the last fifth is held out.",
        epilog=_TRAIN_EXIT, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    return parser


def _add(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Callable[..., int],
         options: _Options, **about: Any) -> argparse.ArgumentParser:  # fmt: skip
    """A subcommand, what it runs and its options."""
    made = subcommands.add_parser(name, **about)
    made.set_defaults(run=run)
    _add_options(made, options)
    return made


def _add_options(to: "argparse._ActionsContainer", options: _Options) -> None:
    """Options, or arguments, in the order in which the help lists them."""
    for name, option in options.items():
        to.add_argument(name, **option)


def _check(options: argparse.Namespace) -> int:
    """Check a script, or without one all that the project asks for, and show what comes of it."""
    from einbackprop.shell.presentation import show

    if options.hint and options.format == "diff":
        raise OptionError("--diff is what to write, and --hint does not say that: give one of the two")
    found, is_alone = _outcomes(options)
    told = (outcome.hint(options.hint) for outcome in found) if options.hint else found
    return show(told, options.format, options.html, options.force, alone=is_alone)


def _outcomes(options: argparse.Namespace) -> "tuple[Iterable[Outcome], bool]":
    """What comes of the checks that are asked for, and whether that is one of a script that was named."""
    from einbackprop.shell.project import check_of, checks_of, outcomes_of

    if options.script is None:
        _require_script_for(options)
        return outcomes_of(checks_of(os.curdir)), False
    check = check_of(options.script, options)
    if check.question.is_empty:
        from einbackprop.shell.answers import outcomes

        return outcomes(check.script, check.setup, check.seed, check.seconds), False
    return check.outcomes(), True


def _require_script_for(options: argparse.Namespace) -> None:
    """Raise OptionError where options ask something and no script is given."""
    given = [name for name, option in ASKED.items()
             if getattr(options, name.removeprefix("--")) != option.get("default")]  # fmt: skip
    if given:
        raise OptionError(f"{given[0]} is asked of no script: give SCRIPT before it")


def _quiz(options: argparse.Namespace) -> int:
    """Show the code with the mistake and ask for its line; or write it, or say which it is."""
    from einbackprop.shell.project import check_of
    from einbackprop.shell.prompts import asked_line, quiz_of_script, write_quiz

    check = check_of(options.script, options)
    quiz, own = quiz_of_script(check.script, check.question, check.setup, options.level, options.seed)
    if options.write:
        write_quiz(quiz, own, options.write, options.force)
        say(visible(f"wrote {options.write}: one line of it is wrong"))
    else:
        say(visible(f"{quiz.listing}\n\n{quiz.asked}", keep="\n"))
    if options.solution:
        say(visible(quiz.solution, keep="\n"))
    if options.solution or options.write:
        return 0
    line = options.answer or asked_line()
    if line is None:
        complain("einbackprop: no answer was given; --solution says which line it is")
        return 2
    say(visible(quiz.answered(line), keep="\n"))
    return 0 if quiz.is_right(line) else 1


def _show(shown: "Shown", options: argparse.Namespace, text: str = "") -> int:
    """Print it as text or as LaTeX, and write it as a page, as the options ask."""
    from einbackprop.notation.display import fitted
    from einbackprop.shell.scripts import write_page

    with fitted():
        say((shown.latex if options.latex else text or str(shown)).removesuffix("\n"))
    if options.html:
        write_page(shown.to_html(), options.html, options.force)
    return 0


def _read(options: argparse.Namespace) -> int:
    from einbackprop.shell.answers import readings
    from einbackprop.shell.scripts import read_script

    if options.expression is not None:
        return _show(read_script(options.script, options.expression, options.setup, options.seed), options)
    return _show(readings(options.script, options.setup, options.seed), options)


def _derive(options: argparse.Namespace) -> int:
    from einbackprop.emission.literals import in_ascii
    from einbackprop.shell.derivations import derive_script

    derived = derive_script(
        options.script, options.loss, options.wrt, options.setup, options.seed, target=options.target)
    # Python takes a file without a mark for UTF-8
    return _show(derived, options, "" if is_unicode() else in_ascii(str(derived)))


def _shard(options: argparse.Namespace) -> int:
    from einbackprop.notation.display import fitted
    from einbackprop.shell.derivations import shard_script
    from einbackprop.shell.scripts import write_page

    found = shard_script(
        options.script, options.expression, options.mesh, options.letters, options.suggest, options.wrt, options.setup,
        options.seed, None if options.output is None else _together(options.output), options.pad,
    )  # fmt: skip
    if options.json:
        say_json(found.to_json())
    else:
        with fitted():
            say(str(found))
    if options.html:
        write_page(found.to_html(), options.html, options.force)
    return 0


def _explain(options: argparse.Namespace) -> int:
    from einbackprop.notation.explanation import catalogue, explained

    if options.what is not None:
        return _show(explained(options.what, options.names, options.result), options)
    say(catalogue())
    return 0


def _example(options: argparse.Namespace) -> int:
    from einbackprop.shell.gallery import listing, write_example

    say(listing() if options.list else f"wrote {write_example(options.name, force=options.force)}")
    return 0


def _web(options: argparse.Namespace) -> int:
    from einbackprop.web.site import write_site

    written = write_site(options.folder, options.pyodide, options.force)
    say(f"wrote {written}: `python -m http.server -d {shlex.quote(str(written))}` shows it on this machine")
    return 0


_TRAINING = ("save", "load", "plot", "check", "force", "mesh", "letters", "process", "coordinator")


def _train_digits(options: argparse.Namespace) -> int:
    _take_one_thread()
    from einbackprop.training.runs import train_digits

    return train_digits(*_split(options))


def _train_text(options: argparse.Namespace) -> int:
    _take_one_thread()
    from einbackprop.training.runs import train_text

    return train_text(options.file, *_split(options, "file"))


def _take_one_thread() -> None:
    """Keep BLAS, which is about to be loaded, to one thread, unless the environment says otherwise.

    Products this small gain nothing from a second one, and wait for it wherever others are at work; and the same
    seed gives the same bits on any number of cores.
    """
    if "numpy" not in sys.modules:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def _split(options: argparse.Namespace, *apart: str) -> tuple[dict[str, Any], Any]:
    """The settings that were given, and the options beside them."""
    from einbackprop.training.runs import Options

    beside = Options(**{name: getattr(options, name) for name in _TRAINING})
    rest = {name: value for name, value in vars(options).items() if name not in (*_TRAINING, *apart, "run")}
    return {name: value for name, value in rest.items() if value is not None}, beside
