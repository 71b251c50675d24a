"""Names that somebody hostile would choose, and what may reach a terminal or a page."""

import itertools

BIDIRECTIONAL = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
OTHERS = "\u200b\u200d\ufeff\u00ad\u2028\u2029\u0085\u180e\ufffe\ue000\U000e0001\ud800\udcff"
CONTROLS = "".join(map(chr, [*range(1, 32), *range(0x7F, 0xA0)])) + "\0"

CODE = [
    'a" if __import__("os").mkdir("exploded") else "b', '"]; import os; os.mkdir("exploded"); p["', "'", '"', "\\",
    'a\\"', '"""', "'''", '\\"\\"\\"', "{0}", "{out}", "{x!r}", "%s", "%(x)s", "${x}", "`x`", "# type: ignore",
    "# coding: rot13", "#", "f'{x}'", "$(x)", "lambda", "class", "None", "True", "__import__", "__builtins__",
    "__class__", "np", "eb", "print", "backward", "l", "I", "dx", "1", "-1", "1e5", "0x1", "a b", " ", "", ".", "a.b",
    "a[0]", "a['b']", "ones", "W_1", "W_2", "x = 1", "a=b", "a;b", "a,b", "a, b", "(", ")", "]", "}", "->", "...",
    "ij,jk->ik", "|i|", "Σ_i", "∂L/∂x", "ᵀ", "x²", "½", "ﬁ", "ａ", "é", "e\u0301", "ß", "σ", "Σ", "λ", "日本", "עברית",
    "العربية", "𝐖", "🙂", "\u0338", "İ",
]  # fmt: skip
MARKUP = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;", "&amp;#x202e;", "]]>", "<!--", "-->",
    "</code>", "</title>", '" onmouseover="alert(1)', "' style='x", "\\input{x}", "$x$", "\\end{aligned}", "}{", "%",
    "_{x}", "^", "~", "\\write18{x}", "$$", "javascript:alert(1)",
]  # fmt: skip
TERMINAL = [
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x9b31m", "\x1bP+q\x1b\\", "\r right: all", "a\rb",
    "a\nb", "\n", "a\r\nb", "a\tb", "a\x0bb", "a\x0cb", "\x08\x08", "\x00", "a\x00b", "\x1b[38;5;1mW\x1b[39m",
    "\u202eevil", "a\u2066b\u2069", "x" * 5000, "\u0301" * 100,
]  # fmt: skip
NAMES = list(dict.fromkeys([*CODE, *MARKUP, *TERMINAL, *BIDIRECTIONAL, *OTHERS, *CONTROLS]))
NAMES += ["".join(pair) for pair in itertools.islice(itertools.product(TERMINAL[:6], CODE[:4]), 24)]


def is_safe(text: str) -> bool:
    """Whether a text of several lines drives no terminal and turns no line around."""
    return all(c.isprintable() for c in text if c != "\n") and text.encode("utf-8") is not None


def unsafe(text: str) -> str:
    """What in a text must not be there, for an assertion's message."""
    return ascii("".join(c for c in text if c != "\n" and not c.isprintable()))
