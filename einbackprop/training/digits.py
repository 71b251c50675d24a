"""Handwritten digits: 1797 images of 8 by 8 pixels, from 13 people, for the network `mlp` or `convnet`.

The test set of Optical Recognition of Handwritten Digits by E. Alpaydin and C. Kaynak (UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49), under CC BY 4.0: see ``data/digits.txt``.

A fifth is held out, drawn by the seed. The others are trained on, each time turned, stretched and moved a little.
"""

import gzip
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np

from einbackprop.core.records import dataclass
from einbackprop.errors import OptionError
from einbackprop.layers.layer import Array
from einbackprop.layers.pointwise import relu
from einbackprop.networks import (
    Parameters,
    convnet,
    convnet_loss,
    initialize_convnet,
    initialize_mlp,
    mlp,
    mlp_loss,
)
from einbackprop.training.loop import Task, number, require_bounds

SIDE = 8
CLASSES = 10


@dataclass(frozen=True)
class DigitsSettings:
    """What decides a training on digits, to the last bit.

    Attributes
    ----------
    network
        ``mlp`` with units in `hidden` layers, or ``conv`` with two convolutions of so many `channels`.
    epochs, batch
        How often each image is seen, and how many at a time. What is left of an epoch is no batch.
    learning_rate, decay
        Of AdamW; the rate rises for a twentieth of the steps and falls to 0 along a cosine.
    seed
        Decides what is held out, the first parameters, and everything else that is drawn.
    """

    network: str = "conv"
    hidden: tuple[int, ...] = number((256, 128), least=1, limit=100_000)
    channels: tuple[int, ...] = number((16, 32), least=1, limit=100_000)
    epochs: int = number(80, least=1, limit=10**7)
    batch: int = number(32, least=1)
    learning_rate: float = number(3e-3, least=1e-9, most=10)
    decay: float = number(0.01, least=0, most=1)
    seed: int = number(0, least=0, limit=2**64)

    def __post_init__(self) -> None:
        if self.network not in DEFAULTS:
            raise OptionError(f"--network is {self.network!r}, but must be mlp or conv")
        require_bounds(self)
        if len(self.channels) != 2:
            given = ",".join(map(str, self.channels))
            raise OptionError(f"--channels is {given}, but there are two convolutions: give two numbers")
        if self.batch > (most := len(split(self.seed)[0])):
            raise OptionError(f"--batch is {self.batch}, but there are only {most} images to train on")

    def weights(self) -> int:
        """At least so many numbers does the network have."""
        if self.network == "conv":
            return 9 * self.channels[0] * self.channels[1]
        sizes = (SIDE * SIDE, *self.hidden, CLASSES)
        return sum(i * j for i, j in pairwise(sizes))


DEFAULTS: dict[str, dict[str, Any]] = {
    "mlp": {"epochs": 150, "learning_rate": 2e-3},
    "conv": {},
}
"""What the settings of each network are if nothing is said."""


def digits() -> tuple[Array, Array]:
    """Return the images `X[b,p,q]`, from 0 to 1 in float32, and their labels `label[b]`."""
    with files("einbackprop.training").joinpath("data/digits.csv.gz").open("rb") as packed, gzip.open(packed) as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    images = table[:, :-1].reshape(-1, SIDE, SIDE) / 16
    return images.astype(np.float32), table[:, -1]


COUNT = 1797


def split(seed: int) -> tuple[Array, Array]:
    """Return which images are trained on, and which fifth is held out."""
    order = np.random.default_rng(seed).permutation(COUNT)
    return order[COUNT // 5 :], order[: COUNT // 5]


def jittered(X: Array, rng: np.random.Generator) -> Array:
    """Return images `[b,p,q]` turned, stretched, slanted and moved by a little, each by its own.

    The new pixel (p,q) is what stands at the old place (y,x) = M[b]·(p,q) + move[b], counted from the middle. Between
    pixels it is interpolated: pixel r takes part with the weight max(0, 1 - |y - r|).
    """
    B, P, _ = X.shape
    turn, slant = rng.uniform(-0.15, 0.15, (2, B))
    stretch, move = rng.uniform(0.9, 1.1, (2, B)), rng.uniform(-0.7, 0.7, (2, B))
    M = np.array([[stretch[0] * np.cos(turn), slant - np.sin(turn)], [np.sin(turn), stretch[1] * np.cos(turn)]])
    middle, pixel = (P - 1) / 2, np.arange(P)
    grid = np.stack(np.meshgrid(pixel - middle, pixel - middle, indexing="ij"))
    y, x = np.einsum("ijb,jpq->ibpq", M, grid) + move[:, :, None, None] + middle
    rows, columns = (np.maximum(0, 1 - abs(place[..., None] - pixel)) for place in (y, x))
    moved: Array = np.einsum("bpqr,brs,bpqs->bpq", rows, X, columns, optimize=True)
    return moved.astype(X.dtype)


def digits_task(settings: DigitsSettings) -> Task:
    """Return what there is to do, as the settings say."""
    X, label = digits()
    trained, held = split(settings.seed)
    per_epoch = len(trained) // settings.batch
    is_mlp = settings.network == "mlp"

    def initialize(rng: np.random.Generator) -> Parameters:
        if is_mlp:
            return initialize_mlp([SIDE * SIDE, *settings.hidden, CLASSES], rng)
        first, second = settings.channels
        return initialize_convnet((SIDE, SIDE), (first, second), CLASSES, rng)

    def forward(parameters: Parameters, inputs: Array) -> Array:
        return mlp(parameters, inputs, relu) if is_mlp else convnet(parameters, inputs)

    def given(images: Array) -> Array:
        """Images as the network takes them: for the mlp in columns, X[i,b]."""
        return np.ascontiguousarray(images.reshape(len(images), -1).T) if is_mlp else images

    def batch(step: int) -> tuple[Array, ...]:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng([settings.seed, 1, epoch]).permutation(trained)
        chosen = order[place * settings.batch : (place + 1) * settings.batch]
        return given(jittered(X[chosen], np.random.default_rng([settings.seed, 2, step]))), label[chosen]

    alike, test = trained[: len(held)], [(given(X[held]), label[held])]
    return Task(
        name="digits", unit="images", settings=settings, items=settings.batch, steps=settings.epochs * per_epoch,
        period=per_epoch, initialize=initialize, loss=mlp_loss if is_mlp else convnet_loss, forward=forward,
        batch=batch, trained=[(given(X[alike]), label[alike])], held=test, test=test,
    )  # fmt: skip


def description(settings: DigitsSettings) -> str:
    """The data and the network in a few words."""
    trained, held = split(settings.seed)
    sizes = "-".join(map(str, (SIDE * SIDE, *settings.hidden, CLASSES)))
    channels = " and ".join(map(str, settings.channels))
    network = f"mlp {sizes}" if settings.network == "mlp" else f"convnet of {channels} channels"
    return f"digits: {len(trained)} images to train on, {len(held)} held out; {network}"
