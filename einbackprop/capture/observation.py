"""Watching the user's code while it runs: which line makes a value, and what it is called there."""

from __future__ import annotations

import ast
import sys
from types import CodeType, FrameType
from typing import Any

from ..core.program import Source
from ..world.ownership import is_users
from .memory import is_traced
from .recorder import Recorder
from .sizes import named_axis
from .statements import Statements, Target, statements_of

DEEPEST = 20_000  # of containers in containers some have names; one that holds itself would have no end
FAR = 1000  # what is in a container is called after it only where nothing else gives it a name
OF_NUMBERS = (ArithmeticError, ValueError, IndexError)


class Observer:
    """Watches the user's statements: which is being run, and which names their values get."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.named: set[str] = set()  # the arguments, which have their names already
        self._files: dict[str, Statements] = {}
        self._error: Any = None
        self._runs: dict[tuple[str, int], int] = {}
        self._depths: dict[str, int] = {}
        self._sources: dict[tuple[CodeType, int, int, Source | None], Source] = {}

    def statements(self, file: str) -> Statements:
        """The statements of a file, parsed once."""
        if file not in self._files:
            self._files[file] = statements_of(file)
        return self._files[file]

    def source(self) -> Source | None:
        """The user's line that is being run."""
        return self._source(sys._getframe(1))

    def _source(self, frame: FrameType | None) -> Source | None:
        while frame is not None and not is_users(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is None:
            return None
        code, line = frame.f_code, frame.f_lineno
        statements = self.statements(code.co_filename)
        node = statements.at(line)
        first = node.lineno if node is not None else line
        caller = self._source(frame.f_back) if statements.is_one_return(code.co_firstlineno) else None
        run = self._runs.get((code.co_filename, first), 1) - 1
        key = (code, first, run, caller)
        if key not in self._sources:
            self._sources[key] = Source(code.co_filename, first, statements.code(line), code.co_name, run, caller)
        return self._sources[key]

    def on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Called by Python for every new frame: watch those of the user's code."""
        if not is_users(frame.f_code.co_filename):
            return None
        depth, outer = 0, frame.f_back
        while outer is not None:
            depth, outer = depth + 1, outer.f_back
        return Watch(self, frame, depth)

    def starts(self, file: str, line: int) -> None:
        """A statement is run once more."""
        self._runs[file, line] = self._runs.get((file, line), 0) + 1

    def raised(self, argument: Any) -> None:
        """An exception that numbers can cause: where the code goes on, it was caught, and that is a condition."""
        kind, error = argument[0], argument[1]
        if issubclass(kind, OF_NUMBERS) and error is not self._error and self.recorder is not None:
            self._error = error
            self.recorder.met("caught", kind.__name__)

    def bind(self, value: Any, label: str, depth: int, *, entry: bool = False) -> None:
        """A value got a name in the user's code; the outermost name stays, there the first.

        An argument keeps its own name; as an ``entry`` of a container, it is labelled so beside.
        """
        recorder = self.recorder
        assert recorder is not None
        if not label.strip("_") or depth > DEEPEST:
            return  # `_, b = weights`: a name for what is not needed says nothing
        if is_traced(value):
            name = recorder.name_of(value)
            if name is None:
                recorder.name_window(value, label)
            elif name in self.named:
                if entry:
                    recorder.entries[name] = label
            elif depth < self._depths.get(name, sys.maxsize):
                self._depths[name] = depth
                recorder.names[name] = label
        elif (axis := named_axis(value)) is not None:
            if not entry:
                axis.root().name = axis.root().name or label
        elif isinstance(value, list | tuple) and len(value) < 100:
            if len(value) > 1 and all(self._is_argument(item) for item in value):
                return  # `old = [W1, b1]`: their own names say more than old_0
            for n, item in enumerate(value):
                self.bind(item, f"{label}_{n}", depth + FAR, entry=True)
        elif isinstance(value, dict) and len(value) < 100:
            for key, item in value.items():
                self.bind(item, name_of_key(label, key), depth + FAR, entry=True)

    def _is_argument(self, value: Any) -> bool:
        """Whether a value is an argument, which has its name already."""
        return is_traced(value) and self.recorder is not None and self.recorder.name_of(value) in self.named


def name_of_key(label: str, key: Any) -> str:
    """``grads['dW1']`` is dW1, ``hs[3]`` is hs_3."""
    return key if isinstance(key, str) and key.isidentifier() else f"{label}_{key}"


class Watch:
    """The local trace function of one frame of the user's code."""

    def __init__(self, observer: Observer, frame: FrameType, depth: int) -> None:
        self._observer, self._depth = observer, depth
        self._statements = observer.statements(frame.f_code.co_filename)
        self._before: ast.stmt | None = None

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """A line starts, or the frame returns: the statement before has given its names."""
        if event in ("line", "return") and self._before is not None:
            for target in self._statements.targets(self._before):
                self._bind(target, frame)
        if event == "exception":
            self._observer.raised(argument)
        if event == "line":
            self._before = self._statements.at(frame.f_lineno)
            if self._before is not None and self._before.lineno == frame.f_lineno:
                self._observer.starts(frame.f_code.co_filename, frame.f_lineno)
        return self

    def _bind(self, target: Target, frame: FrameType) -> None:
        label, value = target.label, None
        if target.base is not None and target.key is not None:
            value = look_up(target.base, frame)
            if not is_traced(value):
                label = name_of_key(label, look_up(target.key, frame))
                self._observer.bind(look_up(target.node, frame), label, self._depth, entry=True)
                return
        self._observer.bind(look_up(target.node, frame) if value is None else value, label, self._depth)


def look_up(node: ast.expr, frame: FrameType) -> Any:
    """What a name, attribute or entry of a container holds now; None where that cannot be seen without running code."""
    match node:
        case ast.Name(id=name):
            return frame.f_locals.get(name, frame.f_globals.get(name))
        case ast.Constant(value=value):
            return value
        case ast.Attribute(value=inner, attr=attribute):
            owner = look_up(inner, frame)
            return vars(owner).get(attribute) if hasattr(owner, "__dict__") and not is_traced(owner) else None
        case ast.Subscript(value=inner, slice=index):
            container, key = look_up(inner, frame), look_up(index, frame)
            if isinstance(container, dict):
                return container.get(key)
            if type(container) is list and isinstance(key, int) and -len(container) <= key < len(container):
                return container[key]
        case ast.BinOp(left=ast.Constant(value=str(head)), op=ast.Add(), right=ast.Call(args=[number])):
            return f"{head}{look_up(number, frame)}"
        case ast.JoinedStr(values=values):
            return "".join(str(look_up(v.value if isinstance(v, ast.FormattedValue) else v, frame)) for v in values)
    return None
