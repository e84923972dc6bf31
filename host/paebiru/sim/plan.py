"""What a simulated federation is to do, checked before anything starts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from paebiru import datasets, models
from paebiru.datasets import Split
from paebiru.errors import UsageError
from paebiru.federated import partition
from paebiru.federated.master import RATE_ONE
from sil import nn, update
from sil.protocol import PROXIMAL_ONE

SplitName = Literal["iid", "dirichlet", "natural"]
MOST_EPOCHS = 100  # of a round, as boards have it


def check_proximal(value: float) -> None:
    """Refuse a proximal term that orders cannot have, or that would be none.

    Raises:
        UsageError: it is not 0, and not within 1/32768..1.
    """
    if value != 0 and not 1 / PROXIMAL_ONE <= value <= 1:
        raise UsageError(f"--proximal {value:g} is out of range: give 0, or 0.00004 to 1, as 0.01")


@dataclass(frozen=True)
class Plan:
    """A federation to simulate.  The same plan (and start) gives the same model, to the byte."""

    dataset: str = "digits"
    clients: int = 10
    rounds: int = 60
    local_epochs: int = 1
    split: SplitName = "iid"
    alpha: float = 0.3
    share: float = 0.05
    seed: int = 0
    hidden: tuple[int, ...] = (32,)
    rate: float | None = None
    start: Path | None = None
    proximal: float = 0.0
    secure: bool = False
    """Under masks: the hub sees sums of groups alone."""

    def check(self) -> "Plan":
        """Return the plan itself.

        Raises:
            UsageError: a field is outside of its domain; the message names it and the way out.
        """
        if self.split not in get_args(SplitName):
            raise UsageError(f"--split {self.split} is unknown: take iid, dirichlet or natural")
        for name, value, low in (
            ("clients", self.clients, 1),
            ("rounds", self.rounds, 1),
            ("local-epochs", self.local_epochs, 1),
            ("seed", self.seed, 0),
        ):
            if value < low:
                raise UsageError(f"--{name} {value} is too small: give {low} or more")
        if self.local_epochs > MOST_EPOCHS:
            raise UsageError(f"--local-epochs {self.local_epochs}: a board trains at most 100")
        check_proximal(self.proximal)
        if self.seed >= 1 << 29:
            raise UsageError(f"--seed {self.seed} is too large: give one below 2**29")
        if not 1e-6 <= self.alpha <= 1e6:
            raise UsageError(f"--alpha {self.alpha:g} is out of range: give 1e-6 to 1e6, as 0.3")
        if not 0 < self.share <= 1:
            raise UsageError(
                f"--share {self.share:g} is no share of the weights: give more than 0 and at most"
                " 1 (0.05 sends 5 %)"
            )
        if self.secure and self.share != 1:
            raise UsageError(
                f"--share {self.share:g}: a masked sum has every weight; leave --share out with"
                " --secure"
            )
        if self.rate is not None and not 0 < self.rate <= 16:
            raise UsageError(f"--rate {self.rate:g} is out of range: give more than 0, at most 16")
        return self

    @property
    def parts(self) -> int:
        """The share in parts of 10000, at least 1."""
        return max(1, round(self.share * update.SHARE_ONE))

    @property
    def pull(self) -> int:
        """`proximal` as orders have it, Q15."""
        return round(self.proximal * PROXIMAL_ONE)

    @property
    def server_rate(self) -> int:
        """The hub's learning rate in 1/256.

        Unless given, 2 where updates are sparse: a mean over boards that each sent other
        weights is diluted, and measured best there (make bench); 1 where they are dense.
        """
        sparse = self.parts <= update.SPARSE
        rate = self.rate if self.rate is not None else (2.0 if sparse else 1.0)
        return max(1, round(rate * RATE_ONE))


@dataclass(frozen=True)
class World:
    """A plan with its data: training and test part, who holds what, the first model.

    `given` is how many bytes that model took to send; 0 where it is drawn from the seed.
    """

    plan: Plan
    split: Split
    parts: list[partition.Indices]
    sizes: tuple[int, ...]
    codes: bytes
    given: int = 0

    @property
    def weights(self) -> int:
        """How many weights the model has."""
        return len(self.codes)


def prepare(plan: Plan) -> World:
    """Load the data, deal it to the boards and draw the first model, all by the plan's seed.

    Raises:
        UsageError: the plan cannot be carried out with its data set, or not from its start.
        ModelError: the network has a shape that the integer engine cannot run.
    """
    data = datasets.load(plan.check().dataset)
    split = data.split(plan.seed)
    sizes = (split.train_x.shape[1], *plan.hidden, len(data.classes))
    parts = _deal(plan, split)
    if plan.start is None:
        return World(plan, split, parts, sizes, bytes(nn.initial_codes(sizes, plan.seed)))
    codes, given = models.load(plan.start, sizes)
    return World(plan, split, parts, sizes, codes, given)


def _deal(plan: Plan, split: Split) -> list[partition.Indices]:
    if plan.split == "iid":
        return partition.iid(len(split.train_y), plan.clients, plan.seed)
    if plan.split == "dirichlet":
        return partition.dirichlet(split.train_y, plan.clients, plan.alpha, plan.seed)
    return partition.natural(split.train_group, plan.clients)
