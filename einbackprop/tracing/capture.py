"""Running the user's code so that nothing is lost: its ``np`` is ours, and its lines and names are written down."""

from __future__ import annotations

import ast
import functools
import linecache
import math
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from ..program import Source
from .namespace import casting, math_for, numpy_for
from .recorder import Recorder, View
from .sizes import is_measured

PACKAGE = Path(__file__).parent.parent
READABLE = (str(PACKAGE / "network.py"), str(PACKAGE / "layers"), str(PACKAGE / "examples"))
OTHERS = (str(PACKAGE), str(Path(np.__file__).parent), sysconfig.get_paths()["stdlib"])
SITE_PACKAGES = (sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"])


def is_users(file: str) -> bool:
    """Whether a file is the user's: not ours (but for the formulas that we ship), NumPy's or Python's own."""
    if file.startswith(READABLE):
        return True
    in_library = file.startswith(OTHERS) and not file.startswith(SITE_PACKAGES)
    return not in_library and not file.startswith(OTHERS[:2]) and not file.startswith("<frozen")


@functools.lru_cache(maxsize=256)
def parsed(file: str, text: str) -> Statements:
    """The statements of a file as it stands now; ``text`` tells an edited file from what it was."""
    return Statements(text)


def statements_of(file: str) -> Statements:
    """The statements of a file, parsed once for each state of it."""
    linecache.checkcache(file)
    return parsed(file, "".join(linecache.getlines(file)))


class Statements:
    """The statements of one source text, by line."""

    def __init__(self, text: str) -> None:
        self._codes: dict[int, str] = {}
        self.by_line: dict[int, ast.stmt] = {}
        self.text = text
        try:
            tree = ast.parse(self.text)
        except SyntaxError:  # no source to be had, such as a line typed at a prompt
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt):
                body = getattr(node, "body", None)
                first_inner = body[0].lineno if isinstance(body, list) and body else None
                last = node.end_lineno or node.lineno
                stop = last + 1 if first_inner is None else max(first_inner, node.lineno + 1)
                self.by_line |= dict.fromkeys(range(node.lineno, stop), node)

    def is_one_return(self, line: int) -> bool:
        """Whether the function that starts on a line is nothing but one ``return``."""
        node = self.by_line.get(line)
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
            return len(body) == 1 and isinstance(body[0], ast.Return)
        return False

    def code(self, line: int) -> str:
        """The statement on one line, without its comments."""
        if line not in self._codes:
            self._codes[line] = self._code(line)
        return self._codes[line]

    def _code(self, line: int) -> str:
        node = self.by_line.get(line)
        if node is None:
            return self.text.splitlines()[line - 1].strip() if line <= self.text.count("\n") else ""
        if hasattr(node, "body"):
            return ast.unparse(node).splitlines()[0]
        segment = ast.get_source_segment(self.text, node) or ast.unparse(node)
        return segment.strip() if "\n" not in segment else ast.unparse(node)


class Observer:
    """Watches the user's statements: which is being run, and which names their values get."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.files: dict[str, Statements] = {}
        self.runs: dict[tuple[str, int], int] = {}
        self.depths: dict[str, int] = {}

    def statements(self, file: str) -> Statements:
        """The statements of a file, parsed once."""
        if file not in self.files:
            self.files[file] = statements_of(file)
        return self.files[file]

    def source(self) -> Source | None:
        """The user's line that is being run."""
        return self._source(sys._getframe(1))

    def _source(self, frame: FrameType | None) -> Source | None:
        while frame is not None and not is_users(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is None:
            return None
        file, line = frame.f_code.co_filename, frame.f_lineno
        statements = self.statements(file)
        node = statements.by_line.get(line)
        first = node.lineno if node is not None else line
        caller = self._source(frame.f_back) if statements.is_one_return(frame.f_code.co_firstlineno) else None
        run = self.runs.get((file, first), 1) - 1
        return Source(file, first, statements.code(line), frame.f_code.co_name, run, caller)

    def on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Called by Python for every new frame: watch those of the user's code."""
        if not is_users(frame.f_code.co_filename):
            return None
        depth, outer = 0, frame.f_back
        while outer is not None:
            depth, outer = depth + 1, outer.f_back
        return Watch(self, frame, depth)

    def bind(self, value: Any, label: str, depth: int) -> None:
        """A value got a name in the user's code; the outermost name stays, there the first."""
        if issubclass(type(value), View):
            name = value.buffer.name
            whole = not any(value.window)
            if whole and depth < self.depths.get(name, sys.maxsize):
                self.depths[name] = depth
                assert self.recorder is not None
                self.recorder.names[name] = label
        elif is_measured(value) and len(value.powers) == 1:
            axis = value.powers[0][0].root()
            axis.name = axis.name or label
        elif isinstance(value, list | tuple) and len(value) < 100:
            for n, item in enumerate(value):
                self.bind(item, f"{label}_{n}", depth + 1000)
        elif isinstance(value, dict) and len(value) < 100:
            for key, item in value.items():
                self.bind(item, name_of_key(label, key), depth + 1000)


def name_of_key(label: str, key: Any) -> str:
    """``grads['dW1']`` is dW1, ``hs[3]`` is hs_3."""
    return key if isinstance(key, str) and key.isidentifier() else f"{label}_{key}"


class Watch:
    """The local trace function of one frame of the user's code."""

    def __init__(self, observer: Observer, frame: FrameType, depth: int) -> None:
        self.observer, self.depth, self.before = observer, depth, None
        self.statements = observer.statements(frame.f_code.co_filename)

    before: ast.stmt | None

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """A line starts, or the frame returns: the statement before has given its names."""
        if event in ("line", "return"):
            self._finish(frame)
        if event == "line":
            node = self.statements.by_line.get(frame.f_lineno)
            self.before = node
            if node is not None and node.lineno == frame.f_lineno:
                key = (frame.f_code.co_filename, node.lineno)
                self.observer.runs[key] = self.observer.runs.get(key, 0) + 1
        return self

    def _finish(self, frame: FrameType) -> None:
        node, self.before = self.before, None
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(
            node, ast.AugAssign | ast.AnnAssign | ast.For) else []  # fmt: skip
        for target in targets:
            self._bind(target, frame)

    def _bind(self, target: ast.expr, frame: FrameType) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._bind(part, frame)
            return
        found = look_up(target, frame)
        if isinstance(target, ast.Name):
            self.observer.bind(found, target.id, self.depth)
        elif isinstance(target, ast.Attribute):
            self.observer.bind(found, target.attr, self.depth)
        elif isinstance(target, ast.Subscript):
            base = look_up(target.value, frame)
            if issubclass(type(base), View):
                self.observer.bind(base, ast.unparse(target.value).split(".")[-1], self.depth)
            else:
                key = look_up(target.slice, frame)
                self.observer.bind(found, name_of_key(ast.unparse(target.value).split(".")[-1], key), self.depth)


def look_up(node: ast.expr, frame: FrameType) -> Any:
    """What a name, attribute or entry of a container holds now; None where that cannot be seen without running code."""
    match node:
        case ast.Name(id=name):
            return frame.f_locals.get(name, frame.f_globals.get(name))
        case ast.Constant(value=value):
            return value
        case ast.Attribute(value=inner, attr=attribute):
            return vars(look_up(inner, frame)).get(attribute) if hasattr(look_up(inner, frame), "__dict__") else None
        case ast.Subscript(value=inner, slice=index):
            container, key = look_up(inner, frame), look_up(index, frame)
            if isinstance(container, dict):
                return container.get(key)
            if isinstance(container, list) and isinstance(key, int) and -len(container) <= key < len(container):
                return container[key]
        case ast.BinOp(left=ast.Constant(value=str(head)), op=ast.Add(), right=ast.Call(args=[number])):
            return f"{head}{look_up(number, frame)}"
    return None


@contextmanager
def swapped(recorder: Recorder, function: Callable[..., Any] | None, extra: dict[str, Any] | None) -> Iterator[None]:
    """The user's modules with our ``np`` in them, for the time of a trace.

    Parameters
    ----------
    function : callable or None
        The function to run: its module's names are swapped, and those of all other user modules.
    extra : dict or None
        A namespace of a script.
    """
    numpy_stand_in, math_stand_in = numpy_for(recorder), math_for(recorder)
    float_stand_in = casting(float, recorder)
    undo: list[tuple[dict[str, Any], str, Any]] = []
    for names in namespaces(function, extra):
        for name, value in list(names.items()):
            new = stand_in(value, name, recorder, numpy_stand_in, math_stand_in)
            if new is not value:
                undo.append((names, name, value))
                names[name] = new
        if "float" not in names:
            undo.append((names, "float", None))
            names["float"] = float_stand_in
    try:
        yield
    finally:
        for names, name, value in undo:
            if name == "float":
                names.pop(name, None)
            else:
                names[name] = value


def stand_in(value: Any, name: str, recorder: Recorder, numpy_module: Any, math_module: Any) -> Any:
    """What stands for one global of the user's code."""
    if value is np:
        return numpy_module
    if value is math:
        return math_module
    if value is np.linalg:
        return numpy_module.linalg
    if type(value) is np.ndarray and value.dtype.kind in "fiucb":
        return recorder.constant(value, name=name)
    own = getattr(value, "__name__", None)
    module = getattr(value, "__module__", None) or ""
    if callable(value) and isinstance(own, str) and (module.startswith("numpy") or isinstance(value, np.ufunc)):
        for home in (numpy_module, numpy_module.linalg):
            if getattr(home._module, own, None) is value:
                return getattr(home, own)
    if callable(value) and module == "math" and isinstance(own, str):
        return getattr(math_module, own)
    return value


def namespaces(function: Callable[..., Any] | None, extra: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The global names of the user's code: the function's, a script's, and those of all user modules."""
    found = [extra] if extra is not None else []
    inner = getattr(function, "__wrapped__", function)
    inner = getattr(inner, "__func__", inner)
    own = getattr(inner, "__globals__", None)
    if own is not None and all(own is not names for names in found) and is_users(own.get("__file__") or ""):
        found.append(own)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(module, ModuleType) and file and is_users(file) and not file.startswith(SITE_PACKAGES):
            names = vars(module)
            if all(names is not other for other in found) and any(value is np for value in names.values()):
                found.append(names)
    return found
