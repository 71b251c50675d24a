"""Files: written whole or not at all, never over what is none of ours, never to what is no file."""

import os
import stat
from pathlib import Path

import pytest

from einbackprop.core.files import RefusedError, opened, replace_file, require_replaceable
from einbackprop.shell.command import main

NET = "import numpy as np\nw = np.array([1.0, 2.0])\ndef L(w): return (w ** 2).sum()\ndef G(w): return 2 * w\n"
CHECK = ["check", "net.py", "--loss", "L(w)", "--grads", "G(w)", "--wrt", "w"]
POSIX = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET, encoding="utf-8")
    return tmp_path


def page(file, *more):
    return main([*CHECK, "--html", str(file), *more])


@pytest.mark.parametrize("content", [b"", b"my notes", b"<!DOCTYPE html><html></html>", b"\0" * 9000])
def test_a_page_is_not_written_over_something_else(content, here, capsys):
    Path("page.html").write_bytes(content)
    assert page("page.html") == 2
    said = capsys.readouterr()
    assert said.out.startswith("right: 1 gradient\n")
    assert said.err == ("einbackprop: --html: page.html cannot be written: what is there is not a page of einbackprop: "
                        "name another file, or give --force\n")  # fmt: skip
    assert Path("page.html").read_bytes() == content
    assert page("page.html", "--force") == 0
    assert page("page.html") == 0  # one of ours now
    assert sorted(os.listdir()) == ["net.py", "page.html"]


def test_the_script_is_not_written_over(here, capsys):
    assert page("net.py") == 2
    assert Path("net.py").read_text(encoding="utf-8") == NET


def test_a_wrong_verdict_is_not_lost_with_the_page(here, capsys):
    Path("net.py").write_text(NET.replace("2 * w", "3 * w"), encoding="utf-8")
    assert page("no/page.html") == 1
    said = capsys.readouterr()
    assert said.out.startswith("wrong: w")
    assert said.err == "einbackprop: --html: no/page.html cannot be written: No such file or directory\n"


@POSIX
def test_what_is_no_file_is_not_written_to(here, capsys):
    os.mkdir("folder")
    os.mkfifo("pipe")
    os.symlink("loop", "loop")
    os.symlink("folder", "to folder")
    os.symlink("pipe", "to pipe")
    for name, why in {"folder": "it is a directory", "pipe": "it is a pipe", "to folder": "it is a directory",
                      "to pipe": "it is a pipe", "/dev/full": "it is a device", "/dev/null": "it is a device",
                      "loop": "Too many levels of symbolic links", "net.py/x": "Not a directory",
                      "a\0b": "embedded null", "x" * 300: "File name too long"}.items():  # fmt: skip
        for more in ((), ("--force",)):
            assert page(name, *more) == 2, name
            said = capsys.readouterr()
            assert said.out.startswith("right")
            assert said.err.startswith("einbackprop: --html: ")
            assert said.err.count("\n") == 1
            assert why.lower() in said.err.lower() or "No such file" in said.err, said.err
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)


@POSIX
def test_links_and_permissions_are_kept(here):
    Path("page.html").write_text("old", encoding="utf-8")
    os.chmod("page.html", 0o640)
    os.symlink("page.html", "link.html")
    os.symlink("new.html", "dangling.html")
    assert page("link.html", "--force") == 0
    assert os.path.islink("link.html")
    assert stat.S_IMODE(os.stat("page.html").st_mode) == 0o640
    assert page("dangling.html") == 0
    assert os.path.islink("dangling.html")
    assert Path("new.html").exists()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(os.stat("new.html").st_mode) == 0o666 & ~umask


@POSIX
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_what_may_not_be_written(here, capsys):
    Path("page.html").write_text("old", encoding="utf-8")
    os.chmod("page.html", 0o400)
    assert page("page.html", "--force") == 2
    os.mkdir("folder", 0o500)
    assert page("folder/page.html") == 2
    assert capsys.readouterr().err.count("Permission denied") == 2


def test_a_long_name_and_a_planted_link(here):
    name = "x" * 250 + ".html"
    assert page(name) == 0
    assert Path(name).exists()

    def write(stream):
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file("net.py", write)
    assert Path("net.py").read_text(encoding="utf-8") == NET
    assert sorted(os.listdir()) == ["net.py", name]


def test_the_example_is_replaced_when_forced(here, capsys):
    Path("mynet.py").write_text("mine", encoding="utf-8")
    assert main(["example"]) == 2
    assert Path("mynet.py").read_text(encoding="utf-8") == "mine"
    assert main(["example", "--force"]) == 0
    assert "def gradients" in Path("mynet.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_picture_is_not_written_over_another(here, capsys):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    train = ["train", "digits", "--network", "mlp", "--hidden", "3", "--epochs", "1"]
    for suffix in (".png", ".svg", ".pdf"):
        figure.savefig(f"mine{suffix}")
        before = Path(f"mine{suffix}").read_bytes()
        assert main([*train, "--plot", f"mine{suffix}"]) == 2
        assert "is not a picture of einbackprop" in capsys.readouterr().err
        assert Path(f"mine{suffix}").read_bytes() == before
        for more in (("--force",), ()):  # one of ours the second time
            assert main([*train, "--plot", f"mine{suffix}", *more]) == 0


def test_only_plain_files_of_some_length_are_read(here):
    Path("long").write_bytes(b"x" * 11)
    with opened("long", 11) as stream:
        assert stream.read() == b"x" * 11
    with pytest.raises(RefusedError, match="more than the 10"):
        opened("long", 10)
    with pytest.raises(RefusedError):
        require_replaceable("long", lambda ends: b"y" in ends, "a y")
    assert require_replaceable("long", lambda ends: b"x" in ends, "an x").name == "long"
