"""A hub from its options to its end: one asyncio process."""

import asyncio
import signal
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from paebiru import accel, datasets, files, models
from paebiru.errors import UsageError
from paebiru.federated import branches, evaluate, registry
from paebiru.federated.durable import Durable, begin, resume
from paebiru.federated.noise import new_key
from paebiru.federated.registry import Rule, Setting
from paebiru.federated.rounds import Federation
from paebiru.federated.sums import Sums
from paebiru.fusion import config as places
from paebiru.hub import secure
from paebiru.hub.api import Api, served
from paebiru.hub.api_guard import Guard
from paebiru.hub.lines import Lines
from paebiru.hub.places import opened
from paebiru.hub.policy import Policy
from paebiru.hub.private import Private, check_resumed
from paebiru.hub.service import Hub, Measure
from paebiru.hub.tell import Telling
from paebiru.keys import KeyStore
from paebiru.memberships import Memberships
from paebiru.sim.plan import MOST_EPOCHS, Plan, check_proximal
from paebiru.store import Store
from paebiru.store.group import beside, inline
from sil.protocol import PROXIMAL_ONE, Task


@dataclass(frozen=True)
class Options:
    """What a hub is started with."""

    folder: Path
    dataset: str = "digits"
    """Names inputs and classes; its test part measures every round."""
    hidden: tuple[int, ...] = (32,)
    share: float = 0.05
    epochs: int = 1
    seed: int = 0
    host: str = "127.0.0.1"
    port: int = 7353
    serial: tuple[str, ...] = ()
    finds: bool = False
    policy: Policy = field(default_factory=Policy)
    rule: str | None = None
    """Of aggregation; None: what suits `liars`."""
    liars: int = 0
    """How many boards a round may lie."""
    epsilon: float | None = None
    """The privacy granted for all rounds; None: no noise is added."""
    delta: float = 1e-3
    clip: float = 0.5
    places: Path | None = None
    """The file that says which boards are at which place; None: nothing is fused."""
    resume: bool = False
    branch: int = 0
    api: Api | None = None
    """Where the HTTP API is served; None: nowhere."""
    proximal: float = 0.0
    """How strongly boards are drawn back to the round's model (FedProx)."""
    secure: bool = False
    """Rounds are masked sums of the groups in the key file."""

    @property
    def plan(self) -> Plan:
        """The same federation as the simulator would have it."""
        return Plan(
            self.dataset, local_epochs=self.epochs, share=self.share, seed=self.seed,
            hidden=self.hidden, proximal=self.proximal,
        )  # fmt: skip


def federation(options: Options, private: Private | None = None) -> tuple[Federation, Measure]:
    """Return what the boards are to learn, and how a round is measured.

    Raises:
        UsageError: the data set is unknown, or an option is out of its range.
    """
    if not 0 < options.share <= 1:
        raise UsageError(
            f"--share {options.share:g} is no share of the weights: give more than 0, at most 1"
        )
    if not 1 <= options.epochs <= MOST_EPOCHS:
        raise UsageError(f"--epochs {options.epochs} is out of range: a board trains 1 to 100")
    check_proximal(options.proximal)
    data = datasets.load(options.dataset)
    split = data.split(options.seed)
    sizes = (split.train_x.shape[1], *options.hidden, len(data.classes))
    plan = options.plan
    task = Task(sizes, split.signed, plan.parts)
    made = Federation(task, plan.seed, plan.server_rate, plan.local_epochs, proximal=plan.pull)
    test_x, test_y = split.test_x.view("uint8"), split.test_y

    @lru_cache(maxsize=1)  # a round's figures go into the journal, and are told
    def figures(number: int, codes: bytes) -> dict[str, float]:
        accuracy = evaluate.accuracy(sizes, codes, test_x, test_y, split.signed)
        spent = {"epsilon": private.told(number)} if private else {}
        return {"accuracy": round(accuracy, 4), **spent}

    def measure(federation: Federation) -> dict[str, float]:
        return dict(figures(federation.number, federation.master.codes()))

    return made, measure


def chosen(options: Options) -> tuple[Rule, list[str]]:
    """Return the rule of aggregation, and what is to be said of it.

    Raises:
        UsageError: it does not protect from so many liars among so few boards.
    """
    share = options.plan.parts
    if options.secure:
        return secure.rule(options.rule, options.policy, options.liars, share)
    if options.liars < 0:
        raise UsageError(f"--liars {options.liars}: give 0 or more, the boards that may lie")
    private, least = options.epsilon is not None, options.policy.least
    setting = Setting(max(least, 1), options.liars, share, private=private)
    name = registry.usual(setting) if options.rule is None else options.rule
    needed = registry.RULES[name].least(options.liars) if name in registry.RULES else 0
    if least < needed:
        raise UsageError(
            f"--least {least}: rule {name} needs {needed} updates a round where {options.liars} may"
            f" be lies: give --least {needed} or more, and as many --boards"
        )
    return registry.choose(name, setting)


def granted(options: Options) -> Private | None:
    """Return the privacy of the run, if any is asked for.

    Raises:
        UsageError: it cannot be had with these options.
    """
    if options.epsilon is None:
        return None
    policy = options.policy
    return Private(
        options.epsilon, options.delta, options.clip, policy.boards, policy.rounds,
        secure=options.secure,
    )  # fmt: skip


def stored(
    store: Store, fresh: Federation, options: Options, measure: Measure, private: Private | None,
    sums: Sums | None = None,
) -> Durable:  # fmt: skip
    """Return the federation of a store: begun as `fresh`, or gone on with where it was left.

    Raises:
        UsageError: there is one and `resume` was not asked for, or the other way round; or it
            learns something else than the options say.
        StoreError: the store is damaged or cannot be written.
    """
    rule, _ = chosen(options)

    def prepare(found: Durable) -> None:
        _check_same(found, fresh, options)
        found.measure = measure
        found.settings = {**asdict(options.policy), "rule": rule.name, "liars": options.liars}
        found.combine = lambda frames, samples: registry.aggregate(
            rule, frames, samples, options.liars
        )
        found.sums = sums
        if sums:
            secure.check_resumed(store, found.branch, sums)
        if private:
            found.settings |= private.settings
            found.combine = private.combine(found)
            if sums:
                sums.average = private.average(found)
            found.new_secret = new_key
            private.recall(store.rounds())
        check_resumed(store.rounds(), found.settings)

    if options.branch and not options.resume:
        raise UsageError(f"--branch {options.branch} is one of a history: give --resume too")
    if not options.resume:
        return begin(store, fresh, prepare)
    return resume(store, options.branch, prepare)


def _check_same(found: Federation, fresh: Federation, options: Options) -> None:
    """Refuse to go on with another federation than the options say."""
    if vars(found.task) != vars(fresh.task):
        sizes = "-".join(map(str, found.task.sizes))
        raise UsageError(
            f"{options.folder} learns a {sizes} network, {found.task.share / 100:g} % sent:"
            " give the --dataset, --hidden and --share that it was begun with"
        )
    if (found.epochs, found.proximal) != (fresh.epochs, fresh.proximal):
        raise UsageError(
            f"{options.folder} trains {found.epochs} epochs a round, drawn back by"
            f" {found.proximal / PROXIMAL_ONE:.5g}: give the --epochs and --proximal that it was"
            " begun with"
        )


async def serve(options: Options, tell: Telling) -> Federation:
    """Run a hub until its rounds are done, or it is told to stop.

    Raises:
        UsageError: an option cannot be, or the port is taken.
    """
    private = granted(options)
    rule, warnings = chosen(options)
    fresh, measure = federation(options, private)
    policy = options.policy.check()  # all that can be refused is, before the store is begun
    if options.api is not None:
        Guard(options.api.host, options.api.token)
    where = places.load(options.places) if options.places is not None else None
    folder = files.folder(options.folder)
    async with AsyncExitStack() as stack:
        store = stack.enter_context(closing(Store(folder)))
        sums = None
        if options.secure:
            groups = stack.enter_context(closing(Memberships(folder / "keys.sqlite")))
            sums = secure.sums(groups, private.clip_q12 if private else 0)
        keys = stack.enter_context(closing(KeyStore(folder / "keys.sqlite")))
        made = stored(store, fresh, options, measure, private, sums)
        store.updates.run = beside(asyncio.get_running_loop())
        stack.callback(setattr, store.updates, "run", inline)  # what is left is written at the end
        accel.ready(rule.name)
        hub = Hub(keys, made, policy, tell, measure)
        if private:
            hub.ends.asked = private.over
        if where is not None:
            taught = opened(where, folder / "places", tell, options.resume)
            hub.places = stack.enter_context(taught)
        lines = Lines(hub)
        await stack.enter_async_context(served(hub, options.api))
        try:
            port = await lines.listen(options.host, options.port)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {options.host}:{options.port}: {error.strerror};"
                " is another hub running? --listen HOST:PORT takes another port"
            ) from None
        for text in warnings:
            tell("warning", text=text)
        if private:
            tell("privacy", **private.terms())
        tell("listening", host=options.host, port=port, weights=len(made.first))
        if made.number:
            tell(
                "resuming", round=made.number, is_open=made.is_open, branch=made.branch,
                model=made.name.hex(),
            )  # fmt: skip
            if made.number >= options.policy.rounds and not made.is_open:
                tell("warning", text=f"round {made.number} was held: give --rounds more to go on")
        await _hold(hub, lines, made, options)
        model = models.stream(made.master.codes(), made.task.sizes)
        file = folder / "model.jsil"
        files.write(file, model)
        tell("stopped", round=made.number, model=models.sha256(model), file=str(file))
    if hub.ends.trouble:
        raise UsageError(hub.ends.trouble)
    return made


async def _hold(hub: Hub, lines: Lines, made: Durable, options: Options) -> None:
    """Hold the rounds, with what goes on beside them; a fault there ends them, and is raised."""
    rounds = asyncio.create_task(hub.hold())
    works = [hub.watch(), lines.watch(list(options.serial), options.finds)]
    if hub.places is not None:
        works.append(hub.places.run(hub.devices))
    helpers = [asyncio.create_task(work) for work in works]
    for task in helpers:
        task.add_done_callback(lambda _: rounds.cancel())
    _stop_on_signals(rounds)
    try:
        with suppress(asyncio.CancelledError):
            await rounds
            if not hub.ends.trouble:
                branches.finish(made)
    finally:
        for task in helpers:
            task.cancel()
        ended = await asyncio.gather(*helpers, return_exceptions=True)
        await lines.close()
    for fault in ended:
        if isinstance(fault, Exception):
            raise fault


def _stop_on_signals(task: asyncio.Task[None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, RuntimeError):  # not on Windows, not in a thread
            loop.add_signal_handler(number, task.cancel)
