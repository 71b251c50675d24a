"""Training: the data, the loop, what is refused, and that networks learn."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from fractions import Fraction
from importlib.resources import files
from io import StringIO
from math import log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einbackprop.core import nesting
from einbackprop.errors import DataError, GradientError, OptionError
from einbackprop.networks import gpt
from einbackprop.plans.gradients import value_and_grad
from einbackprop.shell.command import main
from einbackprop.training import digits as digits_module
from einbackprop.training import loop, runs
from einbackprop.training.characters import (
    TextSettings,
    encoded,
    ngram_loss,
    sample,
    text_of,
    text_task,
    windows,
)
from einbackprop.training.digits import DigitsSettings, digits, digits_task, jittered, split
from einbackprop.training.loop import Training, measured, rate, start
from einbackprop.training.runs import Moment

ROOT = Path(__file__).parent.parent
MLP = ["train", "digits", "--network", "mlp", "--hidden", "6", "--epochs", "1"]
PROSE = "the quick brown fox jumps over the lazy dog. " * 9


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text(PROSE, encoding="utf-8")
    return tmp_path


# --- digits --------------------------------------------------------------------------------------


def test_the_digits_are_those_of_the_uci_repository():
    X, label = digits()
    assert (X.shape, X.dtype, label.shape) == ((1797, 8, 8), np.float32, (1797,))
    assert (X.min(), X.max()) == (0, 1)
    assert np.bincount(label).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert int((16 * X).sum(dtype=float)) == 561718
    assert label[:10].tolist() == list(range(10))


def test_their_source_and_licence_stand_beside_them():
    text = files("einbackprop.training").joinpath("data/digits.txt").read_text(encoding="utf-8")
    for words in ("UCI Machine Learning Repository", "10.24432/C50P49", "E. Alpaydin and C. Kaynak", "CC BY 4.0"):
        assert words in text


def test_a_fifth_is_held_out_and_the_seed_says_which():
    trained, held = split(0)
    assert len(held) == 1797 // 5
    assert sorted([*trained, *held]) == list(range(1797))
    assert split(0)[1].tolist() == held.tolist() != split(1)[1].tolist()


class Still:
    """Draws the middle of every range."""

    def uniform(self, low, high, shape):
        return np.full(shape, (low + high) / 2)


class Moved(Still):
    """Moves by whole pixels, down and to the left, and does nothing else."""

    def uniform(self, low, high, shape):
        middle = super().uniform(low, high, shape)
        return middle + np.array([[1.0], [-2.0]]) if high == 0.7 else middle


def test_an_image_that_is_not_moved_is_itself_and_one_that_is_moved_is_moved():
    X = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(jittered(X, Still()), X, atol=1e-6)
    moved = jittered(X, Moved())
    np.testing.assert_allclose(moved[:, :7, 2:], X[:, 1:, :6], atol=1e-6)
    assert (moved[:, 7] == 0).all()
    assert (moved[:, :, :2] == 0).all()
    assert moved.dtype == np.float32


def test_jittered_images_are_near_their_own():
    X, _ = digits()
    moved = jittered(X[:200], np.random.default_rng(0))
    own = np.mean((moved - X[:200]) ** 2)
    other = np.mean((moved - X[200:400]) ** 2)
    assert 0.001 < own < other / 2


def test_what_is_trained_on_is_not_held_out_and_each_image_once_in_an_epoch(monkeypatch):
    monkeypatch.setattr(digits_module, "jittered", lambda X, rng: X)
    X, label = digits()
    place = {image.tobytes(): n for n, image in enumerate(X)}
    assert len(place) == len(X)  # no image is there twice
    task = digits_task(DigitsSettings(epochs=2, batch=100))
    for epoch in range(2):
        batches = [task.batch(epoch * task.period + step) for step in range(task.period)]
        seen = [place[image.tobytes()] for images, _ in batches for image in images]
        assert len(set(seen)) == len(seen) == 1400
        assert set(seen) <= set(split(0)[0])
        assert np.concatenate([labels for _, labels in batches]).tolist() == label[seen].tolist()
    assert [place[image.tobytes()] for image in task.test[0][0]] == split(0)[1].tolist()


# --- text ----------------------------------------------------------------------------------------


def test_every_python_has_a_text_that_is_large_enough():
    text = text_of(None)
    assert len(text.tokens) > 300_000
    assert len(text.held) == len(text.tokens) // 5
    assert text.digest == text_of(None).digest


@given(st.text(min_size=5), st.integers(1, 4))
def test_a_text_comes_back_from_its_tokens(content, context):
    text = encoded("it", content)
    assert "".join(text.characters[token] for token in text.tokens) == content
    assert [*text.trained, *text.held] == text.tokens.tolist()
    if len(content) > context:
        starts = np.arange(len(content) - context)
        token, following = windows(text.tokens, starts, context)
        assert (token[:, 1:] == following[:, :-1]).all()
        assert following[:, -1].tolist() == text.tokens[context:].tolist()


@given(st.text("abc", min_size=20, max_size=80), st.integers(1, 4))
@settings(max_examples=20)
def test_the_ngram_loss_is_that_of_counting(content, n):
    text = encoded("it", content)
    cut = len(content) - len(content) // 5
    trained, held, V = content[:cut], content[cut:], len(set(content))
    runs_of = Counter(trained[i : i + n] for i in range(len(trained) - n + 1))
    before = Counter(trained[i : i + n - 1] for i in range(len(trained) - n + 1))
    pieces = [held[i : i + n] for i in range(len(held) - n + 1)]
    if pieces:
        chances = [Fraction(runs_of[piece] + 1, before[piece[:-1]] + V) for piece in pieces]
        expected = -sum(log(chance) for chance in chances) / len(chances)
        assert ngram_loss(text, n) == pytest.approx(expected, rel=1e-12)


def test_a_sample_is_of_the_texts_characters_and_repeatable():
    text = encoded("it", PROSE)
    parameters = start(text_task(TextSettings(context=4, features=4, heads=2, blocks=1, steps=1), text)).parameters
    written = [sample(parameters, text, 30, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert written[0] == written[1] != written[2]
    assert len(written[0]) == 31
    assert set(written[0]) <= set(PROSE)


def test_a_cold_sample_takes_the_likeliest():
    text = encoded("it", PROSE)
    parameters = start(text_task(TextSettings(context=4, features=4, heads=2, blocks=1, steps=1), text)).parameters
    written = sample(parameters, text, 10, np.random.default_rng(0), temperature=1e-9)
    tokens = [text.characters.index(character) for character in written]
    for n in range(1, 11):
        z = gpt(parameters, np.array([tokens[max(0, n - 4) : n]]))[:, -1]
        assert tokens[n] == np.argmax(z)


# --- the loop ------------------------------------------------------------------------------------


def test_the_rate_rises_and_falls():
    rates = [rate(step, 1000, 0.5) for step in range(1000)]
    assert rates[0] == pytest.approx(0.5 / 50)
    assert 0.49 < max(rates) <= 0.5
    assert 40 < np.argmax(rates) < 60
    assert 0 < rates[-1] < 1e-5
    assert (np.diff(rates[50:]) < 0).all()


def test_measures_are_of_the_parameters_as_they_are():
    task = digits_task(DigitsSettings(network="conv", channels=(2, 3), epochs=1))
    training = Training(task, start(task))
    training.run(lambda training: None, lambda snapshot: None)
    reached = training.snapshot()
    assert reached.measures[:, 0].tolist() == [0, task.steps]
    for batches, columns in ((task.trained, (1, 2)), (task.held, (3, 4))):
        np.testing.assert_allclose(measured(task.forward, reached.parameters, batches),
                                   reached.measures[-1, list(columns)], rtol=1e-5)
    (inputs, label), = task.held
    right = np.argmax(task.forward(reached.parameters, inputs), axis=0) == label
    assert reached.measures[-1, 4] == np.mean(right)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "least"),
    [({"network": "mlp", "learning_rate": 2e-3, "epochs": 50}, 0.97),
     ({"network": "conv", "channels": (8, 16), "learning_rate": 1e-2, "epochs": 8}, 0.9)],
)  # fmt: skip
def test_digits_are_learnt(given, least):
    task = digits_task(DigitsSettings(**given))
    training = Training(task, start(task))
    training.run(lambda training: None, lambda snapshot: None)
    assert measured(task.forward, training.snapshot().parameters, task.test)[1] >= least


@pytest.mark.slow
def test_a_text_is_learnt_better_than_by_counting():
    text = text_of(None)
    short = encoded("it", "".join(text.characters[token] for token in text.tokens[:15_000]))
    task = text_task(TextSettings(context=16, features=32, heads=2, blocks=1, steps=400, learning_rate=1e-2), short)
    training = Training(task, start(task))
    training.run(lambda training: None, lambda snapshot: None)
    assert measured(task.forward, training.snapshot().parameters, task.test)[0] < ngram_loss(short)


# --- verification --------------------------------------------------------------------------------


def tasks():
    text = TextSettings(context=4, features=4, heads=2, blocks=1, steps=1, batch=2)
    return {
        "mlp": lambda: digits_task(DigitsSettings(network="mlp", hidden=(5, 4), epochs=1)),
        "conv": lambda: digits_task(DigitsSettings(channels=(2, 3), epochs=1, batch=4)),
        "text": lambda: text_task(text, encoded("it", PROSE)),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arrays"), [("mlp", 6), ("conv", 6), ("text", 16)])
def test_gradients_are_verified(name, arrays):
    assert loop.verify(tasks()[name]()) == arrays


@pytest.mark.parametrize("factor", [0.0, -1.0, 1 + 1e-7])
@pytest.mark.parametrize("place", [("layers", 0, "W"), ("layers", 2, "c")])
def test_a_gradient_with_one_wrong_entry_is_refused(place, factor, monkeypatch):
    def spoiled(loss):
        def gradient(*arguments):
            value, found = value_and_grad(loss)(*arguments)
            array = nesting.get(found, place)
            array.flat[np.argmax(abs(array))] *= factor
            return value, found

        return gradient

    monkeypatch.setattr(loop, "value_and_grad", spoiled)
    monkeypatch.setattr(loop, "compiled", lambda gradient, *arguments: gradient)
    name = nesting.label("parameters", place).replace("[", r"\[").replace("]", r"\]")
    with pytest.raises(GradientError, match=f"the gradient by {name} is wrong: along a direction "):
        loop.verify(tasks()["mlp"]())


def test_a_compiled_function_that_differs_is_refused(monkeypatch):
    def spoiled(gradient, *arguments):
        return lambda *given: (0.0, nesting.rebuild(gradient(*given)[1], lambda array: 1.01 * array))

    monkeypatch.setattr(loop, "compiled", spoiled)
    with pytest.raises(GradientError, match="is wrong"):
        loop.verify(tasks()["mlp"]())


# --- what is shown -------------------------------------------------------------------------------


class Terminal(StringIO):
    def isatty(self):
        return True


MOMENT = Moment(step=3, steps=9, loss=0.5, accuracy=0.875, speed=1234.5, unit="images", left=83.6)


def test_a_moment_in_words():
    assert MOMENT.words() == "loss 0.5000  accuracy 87.5%  1,234 images/s  1:24 left"


def test_nothing_is_shown_where_there_is_no_terminal():
    stream = StringIO()
    with runs.progress(9, stream) as shown:
        shown(MOMENT)
    assert stream.getvalue() == ""


def test_a_plain_line_is_written_over_and_gone_in_the_end(monkeypatch):
    monkeypatch.setattr(runs, "find_spec", lambda name: None)
    stream = Terminal()
    with runs.progress(9, stream) as shown:
        shown(MOMENT)
    line = f"3/9  {MOMENT.words()}"
    assert stream.getvalue() == f"\r{line}\r{' ' * len(line)}\r"


def test_rich_shows_the_same(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with runs.progress(9, stream) as shown:
        shown(MOMENT)
    assert MOMENT.words() in stream.getvalue()
    assert "3/9" in stream.getvalue()


def test_a_training_shows_loss_accuracy_speed_and_time_left(here, monkeypatch, capsys):
    shown = []
    task = digits_task(DigitsSettings(network="mlp", hidden=(6,), epochs=2))
    monkeypatch.setattr(runs, "INTERVAL", 0)
    training = Training(task, start(task))
    training.run(runs.Observer(task, shown.append, 0), lambda snapshot: None)
    assert [moment.step for moment in shown] == list(range(1, task.steps + 1))
    assert shown[-1].loss == pytest.approx(np.mean(training.losses[-50:]))
    assert shown[60].accuracy == training.measures[1][4]
    assert shown[-1].left == 0 < shown[0].left
    assert shown[9].speed > 0


def test_a_training_prints_its_summary_and_nothing_else_in_a_pipe(here, capsys):
    assert main([*MLP, "--check"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.err == ""
    assert lines[0] == "digits: 1438 images to train on, 359 held out; mlp 64-6-10; 460 parameters"
    assert lines[1].startswith("checked: all 4 gradients are right")
    assert lines[2].startswith("44 steps in ")
    assert lines[3].startswith("held out: loss ")
    assert len(lines) == 4


def test_a_text_training_prints_the_ngram_loss_and_a_sample(here, capsys):
    assert main(["train", "text", "text", "--context", "4", "--features", "4", "--blocks", "1", "--steps", "3"]) == 0
    out = capsys.readouterr().out
    assert f"a 3-gram model with add-one smoothing has a loss of {ngram_loss(encoded('it', PROSE)):.4f} there" in out
    assert len(out.split("a sample:\n")[1]) == 402


@pytest.mark.parametrize(("given", "taken"), [({}, "1"), ({"OMP_NUM_THREADS": "2"}, "2")])
def test_a_training_takes_one_thread_unless_told_otherwise(given, taken):
    code = "import os, sys; from einbackprop.shell.command import main; assert 'numpy' not in sys.modules; " \
           "main(['train', 'digits', '--epochs', '0']); print(os.environ['OMP_NUM_THREADS'])"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")} | given
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert done.stdout == f"{taken}\n"


@pytest.mark.slow
def test_curves_are_drawn(here, capsys):
    pytest.importorskip("matplotlib")
    for suffix, mark in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        assert main([*MLP, "--plot", f"curves{suffix}"]) == 0
        assert (here / f"curves{suffix}").read_bytes().startswith(mark)
        assert f"drew curves{suffix}\n" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there a process cannot be sent Ctrl-C alone")
def test_ctrl_c_saves_what_is_there(here):
    command = [sys.executable, "-m", "einbackprop", *DIGITS, "--epochs", "5000", "--save", str(here / "a.npz")]
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background ignores it
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, heard)
    try:
        for _ in range(600):
            if (here / "a.npz").exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, err) == (130, "")
    assert "; interrupted after " in out
    assert f"saved {here / 'a.npz'}\nheld out: loss " in out
    assert main(["train", "digits", "--load", str(here / "a.npz"), "--epochs", "1"]) in (0, 2)


def test_ctrl_c_before_the_first_step_is_one_line(here, monkeypatch, capsys):
    def interrupt(task):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "start", interrupt)
    assert main([*MLP, "--save", "a.npz"]) == 130
    assert capsys.readouterr().err == "einbackprop: interrupted\n"
    assert not (here / "a.npz").exists()


# --- what is refused -----------------------------------------------------------------------------

DIGITS, TEXT = ["train", "digits"], ["train", "text", "text"]
REFUSED = {
    "--epochs is 0, but must be at least 1": [*DIGITS, "--epochs", "0"],
    "--batch is -1, but must be at least 1": [*DIGITS, "--batch", "-1"],
    "--batch is 2000, but there are only 1438 images to train on": [*DIGITS, "--batch", "2000"],
    "--seed is -1, but must be at least 0": [*DIGITS, "--seed", "-1"],
    "--learning-rate is 0.0, but must be from 1e-09 to 10": [*DIGITS, "--learning-rate", "0"],
    "--learning-rate is nan, but must be from 1e-09 to 10": [*DIGITS, "--learning-rate", "nan"],
    "--decay is 2.0, but must be from 0 to 1": [*DIGITS, "--decay", "2"],
    "--hidden is 0, but must be at least 1": [*DIGITS, "--network", "mlp", "--hidden", "8,0"],
    "--channels is 8, but there are two convolutions: give two numbers": [*DIGITS, "--channels", "8"],
    "--hidden does not go with --network conv": [*DIGITS, "--hidden", "8"],
    "--channels does not go with --network mlp": [*DIGITS, "--network", "mlp", "--channels", "8,8"],
    "--features is 10, which do not divide into 4 heads: choose a multiple of 4, or other --heads":
        [*TEXT, "--features", "10"],
    "--heads is 0, but must be at least 1": [*TEXT, "--heads", "0"],
    "text has 405 characters, but a fifth of them, which is held out, must be 101 at least for a context of 100: "
    "name a longer text, or give a smaller --context": [*TEXT, "--context", "100"],
    "empty is empty: name a file with text in it": ["train", "text", "empty"],
    "short has 4 characters, but a fifth of them, which is held out, must be 65 at least for a context of 64: "
    "name a longer text, or give a smaller --context": ["train", "text", "short"],
    "latin is no text in UTF-8: byte 1 is 0xe9": ["train", "text", "latin"],
    "nowhere cannot be read: No such file or directory": ["train", "text", "nowhere"],
    ". cannot be read: it is a directory": ["train", "text", "."],
    "nowhere.npz cannot be loaded: there is no such file": [*DIGITS, "--load", "nowhere.npz"],
    "--save: no/a.npz cannot be written: No such file or directory": [*DIGITS, "--save", "no/a.npz"],
    "--save: . cannot be written: it is a directory": [*DIGITS, "--save", "."],
    "--plot is curves.doc, but must end in .png, .svg or .pdf": [*DIGITS, "--plot", "curves.doc"],
    "--plot: notes.png cannot be written: what is there is not a picture of einbackprop: name another file, "
    "or give --force": [*DIGITS, "--plot", "notes.png"],
    "--plot and --save are both new.png: name two files": [*DIGITS, "--plot", "new.png", "--save", "new.png"],
    "--plot is text, but must end in .png, .svg or .pdf": [*DIGITS, "--plot", "text"],
    "--plot: no/curves.png cannot be written: No such file or directory":
        [*DIGITS, "--plot", "no/curves.png"],
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused_in_one_line_before_anything_is_written(message, here, monkeypatch, capsys):
    monkeypatch.setattr(runs, "find_spec", lambda name: True)  # where matplotlib is not installed, that is said first
    (here / "empty").write_bytes(b"")
    (here / "notes.png").write_bytes(b"not a picture")
    (here / "short").write_bytes(b"text")
    (here / "latin").write_bytes("né".encode("latin-1"))
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    command = REFUSED[message]
    beside = [option for option in ("--save", "--plot") if option not in command]
    more = {"--save": "new.npz", "--plot": "new.png"}
    assert main([*command, *(word for option in beside for word in (option, more[option]))]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"einbackprop: {message.format(here=here)}\n"
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.slow
def test_what_a_checkpoint_was_not_made_with_is_refused(here, capsys):
    assert main([*MLP, "--save", "a.npz"]) == 0
    text = ["train", "text", "text", "--context", "4", "--features", "4", "--blocks", "1", "--steps", "2"]
    assert main([*text, "--save", "t.npz"]) == 0
    (here / "other").write_text(PROSE + "!", encoding="utf-8")
    capsys.readouterr()
    for command, message in (
        (["digits", "--load", "a.npz", "--hidden", "7,3"],
         "--hidden is 7,3, but a.npz was made with 6: leave --hidden out"),
        (["digits", "--load", "a.npz", "--network", "conv"],
         "--network is conv, but a.npz was made with mlp: leave --network out"),
        (["digits", "--load", "t.npz"], "t.npz was trained on text, not on digits"),
        (["text", "--load", "t.npz"], "t.npz was trained on another text than this Python's help texts: name that one"),
        (["text", "other", "--load", "t.npz"], "t.npz was trained on another text than other: name that one"),
        (["text", "text", "--load", "t.npz", "--steps", "1"],
         "t.npz has 2 steps behind it, but only 1 are asked for"),
    ):
        assert main(["train", *command]) == 2
        assert capsys.readouterr().err == f"einbackprop: {message}\n"


def test_curves_without_matplotlib_are_refused_before_the_training(here, monkeypatch, capsys):
    monkeypatch.setattr(runs, "find_spec", lambda name: None)
    assert main([*MLP, "--plot", "a.png"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "einbackprop: --plot needs matplotlib, which is not installed: pip install 'einbackprop[viz]'\n")


def test_a_python_without_its_help_texts_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match="this Python comes without its help texts: name a text file"):
        text_of(None)


def test_a_directory_that_cannot_be_written_to_is_refused(here, capsys):
    if os.geteuid() == 0:
        pytest.skip("root can write anywhere")
    (here / "locked").mkdir(mode=0o500)
    assert main([*MLP, "--save", "locked/a.npz"]) == 2
    assert "cannot be written to" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="a directory in which nobody can make a file")
def test_a_directory_that_takes_no_files_is_refused_before_the_training(here, capsys):
    assert main([*MLP, "--save", "/proc/a.npz"]) == 2
    said = capsys.readouterr()
    assert said.err == "einbackprop: --save: /proc/a.npz cannot be written: /proc takes no files\n"
    assert not said.out


def test_lists_that_are_none_are_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main([*DIGITS, "--hidden", "8;3"])
    assert caught.value.code == 2
    assert "argument --hidden: '8;3' is not a list of numbers such as 256,128\n" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_training_and_leaves_the_checkpoint(here, monkeypatch, capsys):
    assert main([*MLP, "--save", "a.npz"]) == 0
    before = (here / "a.npz").read_bytes()

    monkeypatch.setattr(loop, "compiled", lambda function, *arguments, reuse=False: lambda *given: (np.nan, None))
    monkeypatch.setattr(loop, "measured", lambda *arguments: np.zeros(2))
    assert main(["train", "digits", "--load", "a.npz", "--save", "a.npz", "--epochs", "2"]) == 2
    message = "the loss is nan at step 44: --learning-rate 0.002 is too large here"
    assert capsys.readouterr().err == f"einbackprop: {message}\n"
    assert (here / "a.npz").read_bytes() == before


def test_settings_by_hand_are_held_to_the_same_bounds():
    with pytest.raises(OptionError, match="--network is 'rnn', but must be mlp or conv"):
        DigitsSettings(network="rnn")
