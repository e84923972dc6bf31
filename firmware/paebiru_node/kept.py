"""What a node keeps of `device.json`: the values, without the checks of `config` that made them."""

from .kinds import Any, Table


class Config:
    """One node's configuration; `config.checked` fills it."""

    def __init__(self) -> None:
        self.name = ""
        self.node = 0
        self.board: "Table" = {}
        self.links: "list[str]" = []
        self.sensors: "list[Table]" = []
        self.layers = 0  # a mask
        self.outputs: "Table" = {}
        self.period = 0  # ms
        self.batch = 0
        self.health = 0  # s
        self.rho_critical = 0
        self.slice = 0  # samples trained a step
        self.learn: "Any" = None  # a `Learn`, where a sensor feeds the model


class Learn:
    """Which sensor feeds the model, and how its readings become inputs."""

    def __init__(self) -> None:
        self.sensor = 0
        self.window = 0  # frames; 0: a reading is a row
        self.capacity = 0  # samples kept
        self.preload = False  # take a recording's samples at once
        self.scaler = b""
