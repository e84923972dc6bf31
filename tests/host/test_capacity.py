"""The benchmark of a hub's capacity, small: the real hub, and clients that speak the real link."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import bench_capacity

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")


@pytest.mark.parametrize("mode", bench_capacity.MODES)
def test_every_state_that_clients_post_arrives(tmp_path: Path, mode: str) -> None:
    with closing(bench_capacity.Served(tmp_path, 20)) as served:
        row = bench_capacity.measure(served, mode, 20, 1)
        assert row["up"] == 20
        assert row["lost"] == 0
        assert row["states_s"]
        served.ask("stream", 1, 0)
        posted = served.settle()
        assert served.states() == posted > 20 * 10
