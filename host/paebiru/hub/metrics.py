"""What Prometheus reads of a hub: counted as it is told, or looked up when it is asked for."""

import json
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from paebiru import __version__
from paebiru.federated.durable import Durable
from paebiru.hub.service import Hub

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_MEASURED = {
    "accuracy": "Of the newest model on the test part, 0 to 1",
    "epsilon": "Privacy spent so far",
}
_SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)  # of a round


class Metrics:
    """The figures of one hub, in a registry of their own."""

    def __init__(self, hub: Hub) -> None:
        self.registry = CollectorRegistry()
        self._rounds = self._counter("rounds", "Rounds closed")
        self._broken = self._counter("rounds_broken", "Rounds that came to nothing")
        self._updates = self._counter("updates", "Updates counted", "device")
        self._states = self._counter("states", "States received; rate() gives them a second")
        self._lost = self._counter("states_lost", "States that boards had no room for")
        self._refused = self._counter("refused", "Objects refused, by the hub or the board", "why")
        self._alarms = self._counter("alarms", "Health reports that gave a reason", "device")
        self._labels = self._counter("labels", "Labels of places that are kept", "place")
        self._learned = self._counter("learned", "Rounds of layer 5 closed")
        self.denied = self._counter("api_denied", "Requests turned away", "status")
        self._seconds = Histogram(
            "paebiru_round_seconds",
            "From a round's beginning to its end",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._begun: float | None = None
        self.registry.register(_Now(hub))
        self._stop = hub.tell.listen(self._heard)

    def close(self) -> None:
        """Listen no more."""
        self._stop()

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"paebiru_{name}", says, labels, registry=self.registry)

    def _heard(self, said: dict[str, Any]) -> None:
        event = said["event"]
        if event == "states":
            self._states.inc(said["states"])
            self._lost.inc(said["lost"])
        elif event == "update":
            self._updates.labels(said["device"]).inc()
        elif event == "health" and said["reasons"]:
            self._alarms.labels(said["device"]).inc()
        elif event == "refused":
            self._refused.labels(_why(said["why"])).inc()
        elif event == "label" and "problem" not in said:
            self._labels.labels(said["place"]).inc()
        elif event == "learned":
            self._learned.inc()
        elif event == "open":
            self._begun = said["at"]
        elif event == "broken":
            self._broken.inc()
        elif event == "round":
            self._rounds.inc()
            if self._begun is not None:
                self._seconds.observe(said["at"] - self._begun)


def _why(why: object) -> str:
    """Return a label with few values: the link's code, or that the object made no sense."""
    return str(why) if isinstance(why, int) else "damaged"


class _Now(Collector):
    """What is looked up at the moment of asking."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._before: dict[str, Any] = {}  # the figures of the last round before this start
        self._best: float | None = None  # of the rounds before this start
        federation = hub.federation
        if isinstance(federation, Durable):
            best = federation.store.history.ref(federation.branch, "best")
            self._best = best.accuracy if best else None
            for row in federation.store.rounds(federation.branch, limit=2):
                if row.figures:  # not of one that is open
                    self._before = json.loads(row.figures)

    def collect(self) -> Iterator[Metric]:
        """Yield the hub's figures."""
        hub = self._hub
        federation = hub.federation
        assert federation is not None
        info = GaugeMetricFamily("paebiru_hub_info", "What runs here", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield _gauge("devices_up", "Boards that are there", len(hub.devices))
        yield _gauge("devices_known", "Boards since the hub started", len(hub.known))
        yield _gauge("round", "Number of the open or last round", federation.number)
        yield _gauge("round_open", "1 while a round waits for updates", federation.is_open)
        yield _gauge("round_updates", "Updates in the open round", len(federation.updates))
        yield _gauge("paused", "1 while no round is begun", hub.is_paused)
        yield _gauge("branch", "Number of the branch whose rounds are held", federation.branch)
        newest = hub.summaries[-1] if hub.summaries else self._before
        for name, says in _MEASURED.items():
            if name in newest:
                yield _gauge(name, says, newest[name])
        told = [said["accuracy"] for said in hub.summaries if "accuracy" in said]
        if told or self._best is not None:
            says = "The best of this branch, 0 to 1"
            yield _gauge("best_accuracy", says, max([*told, self._best or 0]))
        yield self._bytes()

    def _bytes(self) -> Metric:
        family = CounterMetricFamily(
            "paebiru_link_bytes",
            "Bytes on boards' lines",
            labels=["device", "link", "direction"],
        )
        for known in self._hub.known.values():
            for link, (up, down) in known.links.items():
                family.add_metric([known.device, link, "up"], up)
                family.add_metric([known.device, link, "down"], down)
        return family


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(f"paebiru_{name}", says, value=float(value))
