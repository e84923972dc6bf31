"""Float32 federated averaging of the same network: what the integer fleet is measured by.

Same shape, initial model, data, clients, batches and learning rate as the boards have
(`sil.train`), but float32 throughout and every weight sent every round.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from paebiru.datasets import Split
from paebiru.errors import UsageError
from paebiru.federated.partition import Indices, Labels
from paebiru.rng import Rng
from sil.tables import dec

Floats = npt.NDArray[np.float32]
Order = Callable[[int, int, int, int], Indices]
"""(round, client, epoch, samples) -> the order in which a client sees its samples."""


@dataclass(frozen=True)
class Settings:
    """How the clients train, in the boards' own terms."""

    rounds: int
    local_epochs: int = 1
    batch: int = 8
    rate: float = 0.125
    seed: int = 0
    proximal: float = 0.0
    """Draws the clients back to the round's model (FedProx, Li et al. 2020)."""


def decode(codes: bytes | bytearray) -> Floats:
    """Return the weights that ByteSil codes stand for: the boards' initial model, as float."""
    table = np.array(dec(), dtype=np.float32) / np.float32(1 << 14)
    return table[np.frombuffer(codes, dtype=np.uint8)]


def fedavg(
    split: Split,
    parts: Sequence[Indices],
    sizes: Sequence[int],
    weights: Floats,
    settings: Settings,
    order: Order | None = None,
) -> Iterator[float]:
    """Yield the accuracy on the test part after each round.

    Args:
        split: the set, as inputs; they are divided by its `unit`.
        parts: the training rows of each client; every client takes part in every round,
            and weighs as much as it has rows.
        sizes: units of each layer, the input first.
        weights: the initial model, flat as in `sil.nn`: for each layer [out][in], then biases.
        settings: rounds, epochs, batch, rate, seed.
        order: gives each client its order of samples; by default one drawn from the seed.

    Raises:
        UsageError: `weights` is not of these sizes, or these not of the set.
    """
    classes = int(max(split.train_y.max(), split.test_y.max())) + 1
    if sizes[0] != split.train_x.shape[1] or sizes[-1] < classes:
        raise UsageError(
            f"a {'-'.join(map(str, sizes))} network cannot take {split.train_x.shape[1]} inputs "
            f"of {classes} classes: change its first and last size"
        )
    length = sum((nin + 1) * nout for nin, nout in pairwise(sizes))
    if len(weights) != length:
        raise UsageError(f"these sizes have {length} weights, the initial model {len(weights)}")
    unit = np.float32(split.unit)
    test_x = split.test_x.astype(np.float32) / unit
    clients = [
        (split.train_x[rows].astype(np.float32) / unit, split.train_y[rows].astype(np.intp))
        for rows in parts
    ]
    total = sum(len(y) for _, y in clients)
    order = order or _seeded_order(settings.seed)
    model = weights.astype(np.float32)
    for number in range(settings.rounds):
        mean = np.zeros(len(model), dtype=np.float64)
        for client, (x, y) in enumerate(clients):
            local = model.copy()
            layers = _layers(local, sizes)
            for epoch in range(settings.local_epochs):
                rows = order(number, client, epoch, len(y))
                _train(layers, x, y, rows, settings, local, model)
            mean += local * (len(y) / total)
        model = mean.astype(np.float32)
        yield accuracy(model, sizes, test_x, split.test_y)


def accuracy(model: Floats, sizes: Sequence[int], x: Floats, y: Labels) -> float:
    """Return the share of rows `x` (inputs as real numbers) that flat `model` names right."""
    return float(np.mean(_forward(_layers(model, sizes), x)[-1].argmax(axis=1) == y))


def _layers(model: Floats, sizes: Sequence[int]) -> list[tuple[Floats, Floats]]:
    """Return views of flat `model`: each layer's weights [out, in] and biases [out]."""
    found = []
    at = 0
    for nin, nout in pairwise(sizes):
        biases = at + nin * nout
        found.append((model[at:biases].reshape(nout, nin), model[biases : biases + nout]))
        at = biases + nout
    return found


def _forward(layers: list[tuple[Floats, Floats]], x: Floats) -> list[Floats]:
    """Return the input and the output of each layer: ReLU, but for the last."""
    values = [x]
    for i, (weights, biases) in enumerate(layers):
        x = x @ weights.T + biases
        if i < len(layers) - 1:
            np.maximum(x, 0, out=x)
        values.append(x)
    return values


def _train(
    layers: list[tuple[Floats, Floats]], x: Floats, y: Indices, order: Indices,
    settings: Settings, local: Floats, base: Floats,
) -> None:  # fmt: skip
    """Train once on rows `x` in `order`, changing `layers`, which are views of `local`, in place.

    A short last batch is divided by the full batch size, as the boards do by a shift.
    """
    step = np.float32(settings.rate / settings.batch)
    pull = np.float32(settings.rate * settings.proximal)
    for first in range(0, len(order), settings.batch):
        rows = order[first : first + settings.batch]
        values = _forward(layers, x[rows])
        back = pull * (local - base) if pull else None
        error = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(len(rows)), y[rows]] -= 1
        for i in range(len(layers) - 1, -1, -1):
            weights, biases = layers[i]
            below = error @ weights  # before the weights change
            weights -= step * (error.T @ values[i])
            biases -= step * error.sum(axis=0)
            if i:
                error = below * (values[i] > 0)
        if back is not None:
            local -= back


def _seeded_order(seed: int) -> Order:
    def order(number: int, client: int, epoch: int, samples: int) -> Indices:
        return Rng(seed, "batches", number, client, epoch).permutation(samples)

    return order
