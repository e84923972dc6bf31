"""The firmware on virtual boards, killed at every turn, against the same federation undisturbed."""

import asyncio
import os
from pathlib import Path
from random import Random

import pytest

import vm_fleet
from paebiru.coordinator import Coordinator
from paebiru.federated.rounds import Federation
from paebiru.sim.lab import Lab
from sil.link.keys import DeviceKey
from sil.protocol import Task
from wine_lab import config, recording, world

KILLS = int(os.environ.get("PAEBIRU_KILLS", "200"))
BOARDS = 3
PATIENCE = 300.0  # s, also on a machine that is slow and busy


def settings() -> dict[str, object]:
    given = config()
    return {
        "name": "wine",
        "sensors": given["sensors"],
        "learn": given["learn"],
        "period_ms": given["period_ms"],
    }


def federation() -> Federation:
    w = world()
    return Federation(Task(w.sizes, w.split.signed, 500), seed=1)


def undisturbed(names: list[bytes], rounds: int) -> bytes:
    """Return the model of the same federation in virtual time, where nobody is killed."""
    keys = {name: DeviceKey(name * 4, 1) for name in names}
    fed = federation()
    desk = Coordinator(lambda device, epoch: keys[device], fed)
    lab = Lab(desk)
    for number, name in enumerate(names):
        lab.add(name, config(), {"wine.jsil": recording(number)}, keys[name])
    for _ in range(rounds):
        desk.open()
        lab.run_until(lambda: len(fed.updates) == len(names), 120_000)
        desk.close()
    return fed.name


@pytest.mark.parametrize("over", ["pty", "tcp"])
def test_killed_boards_come_back_to_the_same_model(tmp_path: Path, over: str) -> None:
    """Kill -9 at seeded moments of a federated run changes not one byte of the model."""
    random = Random(KILLS + len(over))
    fed = federation()
    files = [{"wine.jsil": recording(number)} for number in range(BOARDS)]
    kills = KILLS // 2

    async def main(fleet: vm_fleet.Fleet) -> None:
        desk = Coordinator(fleet.keys.find, fed)
        left = kills
        async with vm_fleet.Server(desk, fleet) as server:
            await server.until(lambda: len(desk.devices) == BOARDS, PATIENCE)
            lives = {board: board.starts for board in fleet.boards}
            while left:
                desk.open()
                for _ in range(min(left, 4 * BOARDS)):
                    await asyncio.sleep(random.uniform(0.0, 0.4))
                    board = random.choice(fleet.boards)
                    # What is not up yet cannot be killed, however slow this machine is.
                    await server.until(lambda: board.starts >= lives[board], PATIENCE)  # noqa: B023
                    board.kill()
                    lives[board] = board.starts + 1
                    left -= 1
                await server.until(lambda: len(fed.updates) == BOARDS, PATIENCE)
                desk.close()
            models = fleet.names()
            await server.until(
                lambda: all(
                    (device := desk.devices.get(name)) is not None
                    and device.status is not None
                    and device.status.model == fed.name
                    for name in models
                ),
                PATIENCE,
            )

    with vm_fleet.fleet(tmp_path, settings(), files, over) as fleet:
        vm_fleet.run(main(fleet))
        starts = sum(board.starts for board in fleet.boards)
        names = fleet.names()
    assert starts > kills
    assert fed.number >= kills // (4 * BOARDS)
    assert fed.name == undisturbed(names, fed.number)
