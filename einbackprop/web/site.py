"""The page as a folder of static files: whatever host serves them, Python runs in the reader's own browser.

Pyodide comes from its public address or from a folder beside the page; either way a browser takes each of its files
only if it is the very one that is named here by its digest.
"""

import base64
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import opt_einsum

from einbackprop.core.files import RefusedError, opened, replace_file, reported_as, require_replaceable
from einbackprop.core.visible import in_html, visible
from einbackprop.errors import ScriptError
from einbackprop.layers import CATALOGUE
from einbackprop.notation import pages, style
from einbackprop.notation.explanation import explained
from einbackprop.shell import gallery

PYODIDE = "0.27.7"
CORE = f"https://cdn.jsdelivr.net/npm/pyodide@{PYODIDE}/"
PACKAGES = f"https://cdn.jsdelivr.net/pyodide/v{PYODIDE}/full/"
DIGESTS = {
    "pyodide.mjs": "BMBSyBWrsL8pgfo4wt+ljjEg7lKIyVbfKyoV4wF4LF8=",
    "pyodide.asm.js": "a0yQ3ltxcoc/BPIYhNDp0idOMF/jIRZVj+Pk++NhjVE=",
    "pyodide.asm.wasm": "pQ3RhD+AWgt8RbYQN+4Neybf6F7+DhjvlaNK0k5AH18=",
    "python_stdlib.zip": "FmEVNHJuXYrCvY+SZBCy3LjW9JqiSRNGNTO0V6IRXBY=",
    "pyodide-lock.json": "nEW5FgAadQ9BAvwodJTz6rIVkJx1NcYmog24D9YzPiw=",
    "numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl": "67YSQdliuYshWX185DtnZoptW6s6zsT76VhlcyDXzQg=",
}
"""SHA-256 of each file: of the core as npm's package has it, of NumPy as the core's lock file says."""

BUNDLE = "packages.zip"
FOLDER = "pyodide"
LAYERS = "layers"
MARK = pages.MARK.encode()
HELD_BACK = ("web/static", "web/editor", "training")  # of no use in the page's Python


def write_site(folder: str, pyodide: str = "", force: bool = False) -> Path:
    """Write the page and all that it needs, and return where.

    Parameters
    ----------
    folder
        It is made if there is none; what is there is replaced if it is a site of einbackprop, or by ``force``.
    pyodide
        A folder with the files of `DIGESTS`, to be copied beside the page; without it they come from their public
        address.
    force
        Replace files that einbackprop did not write.

    Raises
    ------
    ScriptError
        It cannot be written, or a file of Pyodide's is not the one that is needed.
    """
    top = Path(folder)
    core = _files_of_pyodide(Path(pyodide)) if pyodide else {}
    with reported_as(ScriptError, f"{visible(folder)} cannot be written"):
        _require_ours(top, force)
        for name, data in sorted(_contents(bool(pyodide)).items()):
            _put(top / name, data)
        for name, file in core.items():
            _put(top / FOLDER / name, file)
        _put(top / "index.html", (resources.files(__package__) / "static/index.html").read_bytes())  # once all is there
    return top


def _require_ours(top: Path, force: bool) -> None:
    """Raise RefusedError where a folder holds what is none of ours."""
    if not force and top.is_dir() and any(top.iterdir()) and not (top / "index.html").exists():
        raise RefusedError("what is there is not a site of einbackprop: name another folder, or give --force")
    top.mkdir(parents=True, exist_ok=True)
    require_replaceable(top / "index.html", lambda ends: MARK in ends, "a page of einbackprop", force)


def _put(file: Path, data: bytes | Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)

    def copy(stream: Any) -> None:
        with opened(data) as source:  # type: ignore[arg-type]
            shutil.copyfileobj(source, stream)

    replace_file(file, (lambda stream: stream.write(data)) if isinstance(data, bytes) else copy)


def _files_of_pyodide(folder: Path) -> dict[str, Path]:
    """The files that are needed, by name. Raises ScriptError where one is missing, or another."""
    found = {}
    for name, digest in DIGESTS.items():
        file = folder / name
        shown = visible(str(file))
        with reported_as(ScriptError, f"--pyodide: {shown} cannot be read"), opened(file) as stream:
            own = _digest(stream.read())
        if own != digest:
            wanted = f"its SHA-256 is {own}, not {digest}"
            raise ScriptError(f"--pyodide: {shown} is not that of Pyodide {PYODIDE}: {wanted}")
        found[name] = file
    return found | dict(_more_packages(folder))


def _more_packages(folder: Path) -> Iterator[tuple[str, Path]]:
    """The packages in a folder that Pyodide's lock file knows; a browser sees to their digests."""
    with opened(folder / "pyodide-lock.json") as stream:
        known = json.load(stream)["packages"]
    for name in (about["file_name"] for about in known.values()):
        if name not in DIGESTS and (folder / name).is_file():
            yield name, folder / name


def _digest(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _contents(beside: bool) -> dict[str, bytes]:
    """All files but the page itself and Pyodide's, by name."""
    static = {item.name: item.read_bytes() for item in (resources.files(__package__) / "static").iterdir()
              if item.is_file() and item.name != "index.html"}  # fmt: skip
    bundle = packages()
    about = {"pyodide": _addresses(beside), "bundle": {"url": BUNDLE, "integrity": f"sha256-{_digest(bundle)}"},
             "packages": f"{FOLDER}/" if beside else PACKAGES, "examples": examples()}  # fmt: skip
    return {
        **static,
        "colours.css": f":root{{{style.LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{style.DARK}}}}}\n".encode(),
        "site.json": (json.dumps(about, ensure_ascii=False, indent=1) + "\n").encode(),
        BUNDLE: bundle,
        ".nojekyll": b"",
        **{f"{LAYERS}/{name}": html.encode() for name, html in catalogue()},
    }


def _addresses(beside: bool) -> dict[str, Any]:
    """Where each of Pyodide's files is, and its digest."""
    return {
        name: {"url": (f"{FOLDER}/" if beside else PACKAGES if name.endswith(".whl") else CORE) + name,
               "integrity": f"sha256-{digest}"}
        for name, digest in DIGESTS.items()
    }  # fmt: skip


def packages() -> bytes:
    """A zip file of einbackprop and opt_einsum as they are installed here; the same bytes each time."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        for top in (Path(__file__).parent.parent, Path(opt_einsum.__file__).parent):
            for file in sorted(top.rglob("*.py")):
                name = file.relative_to(top).as_posix()
                if not name.startswith(HELD_BACK) and "/tests/" not in f"/{name}":
                    bundle.writestr(zipfile.ZipInfo(f"{top.name}/{name}"), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return held.getvalue()


def examples() -> list[dict[str, str]]:
    """The gallery: each example's name, its title and its code."""
    return [{"name": one.file, "title": one.title, "code": one.text} for one in gallery.examples()]


def catalogue() -> Iterator[tuple[str, str]]:
    """A page for each layer of the catalogue, by file name, and one that lists them."""
    for layer in CATALOGUE.values():
        yield file_of(layer.name), _within(explained(layer.name).to_html(), '<a href="index.html">The catalogue</a> · ')
    rows = "".join(
        f'<tr><th scope="row"><a href="{file_of(layer.name)}">{in_html(layer.name)}</a></th>'
        f"<td>{in_html(layer.words)}</td><td>{in_html(layer.vjp_words)}</td></tr>"
        for layer in CATALOGUE.values()
    )
    heads = "<tr><th>layer</th><th>what it does</th><td>what its backward does with a cotangent</td></tr>"
    listed = pages.article([pages.heading("The catalogue"), f"<table>{heads}{rows}</table>"])
    yield "index.html", _within(pages.page("the catalogue", listed), "")


def _within(html: str, links: str) -> str:
    """A page with the way to the others, and letters that light up."""
    ours = '<article class="einbackprop">'
    way = f'<nav aria-label="Pages">{links}<a href="../index.html">Read and check code</a></nav>'
    script = '<script type="module" src="../letters.js"></script></head>'
    return html.replace(ours, ours + way, 1).replace("</head>", script, 1)


def file_of(name: str) -> str:
    """The file of a layer's page: ``layer-norm.html``."""
    return "-".join(name.lower().split()) + ".html"
