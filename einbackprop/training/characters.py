"""Text as characters, for the network `gpt`: the help texts that every CPython has, or a file.

The last fifth is held out. A window is `context` characters with the one that follows each.
"""

import codecs
import hashlib

import numpy as np

from einbackprop.core.files import opened, reason
from einbackprop.core.records import dataclass
from einbackprop.errors import DataError, OptionError
from einbackprop.layers.layer import Array
from einbackprop.networks import Parameters, gpt, gpt_loss, initialize_gpt
from einbackprop.training.loop import Batches, Task, number, require_bounds

LARGEST = 100_000_000  # bytes of a text
WINDOWS = 128  # so many are measured at a time


@dataclass(frozen=True)
class TextSettings:
    """What decides a training on a text, to the last bit.

    Attributes
    ----------
    context
        How many characters the network sees.
    features, heads, blocks
        Of the network: see `networks.initialize_gpt`.
    steps, batch
        How many steps, and of how many windows each.
    learning_rate, decay
        Of AdamW; the rate rises for a twentieth of the steps and falls to 0 along a cosine.
    seed
        Decides everything that is drawn.
    digest
        The text's SHA-256, so that a training goes on with the text that it began with.
    """

    context: int = number(64, least=1, limit=100_000)
    features: int = number(64, least=1, limit=100_000)
    heads: int = number(4, least=1, limit=1000)
    blocks: int = number(2, least=1, limit=1000)
    steps: int = number(3000, least=1, limit=10**9)
    batch: int = number(16, least=1, limit=100_000)
    learning_rate: float = number(3e-3, least=1e-9, most=10)
    decay: float = number(0.01, least=0, most=1)
    seed: int = number(0, least=0, limit=2**64)
    digest: str = ""

    def __post_init__(self) -> None:
        require_bounds(self)
        if self.features % self.heads:
            raise OptionError(
                f"--features is {self.features}, which do not divide into {self.heads} heads: "
                f"choose a multiple of {self.heads}, or other --heads"
            )

    def weights(self) -> int:
        """At least so many numbers does the network have."""
        return self.features * (self.context + 12 * self.blocks * self.features)


@dataclass(frozen=True)
class Text:
    """A text by numbers.

    Attributes
    ----------
    name
        What to call it.
    characters
        Each character that occurs, in order.
    tokens
        The place of each of the text's characters in `characters`.
    digest
        The text's SHA-256.
    """

    name: str
    characters: str
    tokens: Array
    digest: str

    @property
    def trained(self) -> Array:
        """The tokens that are trained on."""
        return self.tokens[: -(len(self.tokens) // 5)]

    @property
    def held(self) -> Array:
        """The last fifth."""
        return self.tokens[-(len(self.tokens) // 5) :]


def text_of(file: str | None) -> Text:
    """Read a text file, or, without one, put together the help texts of this Python.

    Raises
    ------
    DataError
        If there is no such file, or it is empty, or no text in UTF-8.
    """
    if file is None:
        try:
            from pydoc_data.topics import topics
        except ImportError as error:  # some distributions take it apart
            raise DataError("this Python comes without its help texts: name a text file") from error
        return encoded("this Python's help texts", "\n".join(topics[name] for name in sorted(topics)))
    try:
        with opened(file, LARGEST) as stream:
            beginning = stream.read(1 << 16)
            codecs.getincrementaldecoder("utf-8")().decode(beginning)  # what is no text is seen before all is read
            content = (beginning + stream.read()).decode("utf-8")
        content = content.replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise DataError(f"{file} cannot be read: {reason(error)}") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(f"{file} is no text in UTF-8: byte {error.start} is {byte:#04x}") from error
    if not content:
        raise DataError(f"{file} is empty: name a file with text in it")
    return encoded(file, content)


def encoded(name: str, content: str) -> Text:
    """A text by numbers."""
    characters = "".join(sorted(set(content)))
    place = {character: n for n, character in enumerate(characters)}
    tokens = np.array([place[character] for character in content], dtype=np.int64)
    return Text(name, characters, tokens, hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest())


def windows(tokens: Array, starts: Array, context: int) -> tuple[Array, Array]:
    """Return `token[b,t]` from each start on, and what follows each of them."""
    places = starts[:, None] + np.arange(context)
    return tokens[places], tokens[places + 1]


def text_task(settings: TextSettings, text: Text) -> Task:
    """Return what there is to do, as the settings say.

    Raises
    ------
    DataError
        If the text is too short: a fifth of it must hold one window.
    """
    T = settings.context
    if len(text.held) < T + 1:
        raise DataError(
            f"{text.name} has {len(text.tokens)} characters, but a fifth of them, which is held out, must be "
            f"{T + 1} at least for a context of {T}: name a longer text, or give a smaller --context"
        )

    def batch(step: int) -> tuple[Array, ...]:
        rng = np.random.default_rng([settings.seed, 1, step])
        return windows(text.trained, rng.integers(0, len(text.trained) - T, settings.batch), T)

    def evenly(tokens: Array) -> Batches:
        """A few windows, from the beginning to the end."""
        token, following = windows(tokens, np.linspace(0, len(tokens) - T - 1, WINDOWS).astype(int), T)
        return [(token, following.reshape(-1))]

    def one_after_another(tokens: Array) -> Batches:
        starts = np.arange(0, len(tokens) - T, T)
        parts = [windows(tokens, starts[n : n + WINDOWS], T) for n in range(0, len(starts), WINDOWS)]
        return [(token, following.reshape(-1)) for token, following in parts]

    def initialize(rng: np.random.Generator) -> Parameters:
        return initialize_gpt(len(text.characters), T, settings.features, settings.heads, settings.blocks, rng)

    return Task(
        name="text", unit="characters", settings=settings, items=settings.batch * T, steps=settings.steps, period=100,
        initialize=initialize, loss=gpt_loss, forward=gpt, batch=batch, trained=evenly(text.trained),
        held=evenly(text.held), test=one_after_another(text.held),
    )  # fmt: skip


def sample(parameters: Parameters, text: Text, length: int, rng: np.random.Generator, temperature: float = 0.8) -> str:
    """Write on from the first character that is held out.

    A character is drawn with the probability that the network gives it, its logits divided by the temperature first.
    """
    context = len(parameters["P"])
    tokens = [int(text.held[0])]
    for _ in range(length):
        z = gpt(parameters, np.array([tokens[-context:]]))[:, -1].astype(float) / temperature
        p = np.exp(z - np.max(z))
        tokens.append(int(rng.choice(len(p), p=p / np.sum(p))))
    return "".join(text.characters[token] for token in tokens)


def ngram_loss(text: Text, n: int = 3) -> float:
    """Return the cross-entropy of an n-gram model with add-one smoothing (Laplace), on what is held out.

    The probability of a character c after the n - 1 characters h is (count(hc) + 1) / (count(h) + V), with counts from
    what is trained on, and V characters in all.
    """
    V = len(text.characters)

    def codes(tokens: Array) -> Array:
        """A number for each run of n characters; divided by V, that of its first n - 1."""
        code = np.zeros(len(tokens) - n + 1, np.int64)
        for place in range(n):
            code = code * V + tokens[place : place + len(code)]
        return code

    trained, held = codes(text.trained), codes(text.held)
    together, before = counts(trained, held), counts(trained // V, held // V)
    return float(-np.mean(np.log((together + 1) / (before + V))))


def counts(values: Array, asked: Array) -> Array:
    """Return how often each number that is asked for stands among the values."""
    ordered = np.sort(values)
    found: Array = np.searchsorted(ordered, asked, "right") - np.searchsorted(ordered, asked, "left")
    return found


def description(settings: TextSettings, text: Text) -> str:
    """The data and the network in a few words."""
    return (
        f"text: {text.name}, {len(text.trained)} characters to train on, {len(text.held)} held out, "
        f"{len(text.characters)} different; gpt of {settings.blocks} blocks, {settings.heads} heads, "
        f"{settings.features} features, context {settings.context}"
    )
