"""The 16 layers of a state, where each is computed, and which of them a node computes.

A configuration is one integer mask, bit i for layer i; with a version and a node id it is
a `LisConfig`.  The names `lis_*` are those of the original system.
"""

from .errors import FormatError, RangeError

PHOTONIC = 0
ACOUSTIC = 1
OLFACTORY = 2
GUSTATORY = 3
DERMIC = 4
ELECTRONIC = 5
PSYCHOMOTOR = 6
ENVIRONMENTAL = 7
CYBERNETIC = 8
GEOPOLITICAL = 9
COSMOPOLITICAL = 10
SYNERGIC = 11
QUANTUM = 12
SUPERPOSITION = 13
ENTANGLEMENT = 14
COLLAPSE = 15

COUNT = 16

NAMES = (
    "photonic", "acoustic", "olfactory", "gustatory", "dermic", "electronic", "psychomotor",
    "environmental", "cybernetic", "geopolitical", "cosmopolitical", "synergic", "quantum",
    "superposition", "entanglement", "collapse",
)  # fmt: skip

# Where a layer is computed, as masks over the layers.
PERCEPTION = 0x001F  # L0-L4, on the board
PROCESSING = 0x00E0  # L5-L7, on the hub
INTERACTION = 0x0700  # L8-LA, in the mesh
EMERGENCE = 0x1800  # LB-LC, in the swarm
PROTOCOL = 0xE000  # LD-LF, in the protocol
ALL = 0xFFFF

_TIERS = (("board", PERCEPTION), ("hub", PROCESSING), ("mesh", INTERACTION),
          ("swarm", EMERGENCE), ("protocol", PROTOCOL))  # fmt: skip


def check(layer: int) -> int:
    """Return `layer` if it is 0..15.

    Raises:
        RangeError: it is not.
    """
    if not 0 <= layer < COUNT:
        raise RangeError("layer %d does not exist: layers are 0 to 15" % layer)
    return layer


def by_name(name: str) -> int:
    """Return the layer called `name` (photonic, ...) or written L0..LF.

    Raises:
        RangeError: no layer has that name.
    """
    lower = name.lower()
    for layer in range(COUNT):
        if lower == NAMES[layer] or lower == "l%x" % layer:
            return layer
    known = ", ".join(NAMES)
    raise RangeError("layer %r does not exist: take L0 to LF or one of %s" % (name, known))


def tier(layer: int) -> str:
    """Return where a layer is computed: board, hub, mesh, swarm or protocol."""
    bit = 1 << check(layer)
    for name, mask in _TIERS:
        if mask & bit:
            return name
    raise AssertionError("the tiers cover every layer")


class LisConfig:
    """What a node computes: a version, its id and the mask of its enabled layers."""

    def __init__(self, version: int, node: int, mask: int = 0):
        if not 0 <= version <= 0xFF:
            raise RangeError("version %d is out of 0..255" % version)
        if not 0 <= node <= 0xFFFF:
            raise RangeError("node %d is out of 0..65535" % node)
        if not 0 <= mask <= ALL:
            raise RangeError("mask %d names layers over LF: it is 0..0xFFFF" % mask)
        self.version = version
        self.node = node
        self.mask = mask

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LisConfig) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def __repr__(self) -> str:
        return "LisConfig(version=%d, node=%d, mask=0x%04X)" % (self.version, self.node, self.mask)

    def enabled(self, layer: int) -> bool:
        """Tell whether this node computes `layer`."""
        return bool(self.mask >> check(layer) & 1)

    def to_bytes(self) -> bytes:
        """Return the 5 bytes of SPEC.md section 2.3: version, node u16, mask u16."""
        return bytes(
            (self.version, self.node & 255, self.node >> 8, self.mask & 255, self.mask >> 8)
        )


def config_from_bytes(raw: bytes) -> LisConfig:
    """Return the configuration that `LisConfig.to_bytes` wrote.

    Raises:
        FormatError: not 5 bytes.
    """
    if len(raw) != 5:
        raise FormatError("a configuration has 5 bytes, not %d" % len(raw))
    return LisConfig(raw[0], raw[1] | raw[2] << 8, raw[3] | raw[4] << 8)


def lis_config_create(version: int, node: int) -> LisConfig:
    """Return a configuration with no layer enabled."""
    return LisConfig(version, node)


def lis_enable_modality(config: LisConfig, layer: int) -> LisConfig:
    """Return `config` with `layer` enabled too."""
    return LisConfig(config.version, config.node, config.mask | 1 << check(layer))


def lis_config_full(version: int = 1, node: int = 0) -> LisConfig:
    """Return a configuration with all 16 layers enabled."""
    return LisConfig(version, node, ALL)
