"""Types of the port's parts that drivers use."""

from ..port import Analog as Analog
from ..port import Bus as Bus
from ..port import Port as Port
from ..port import Reading as File
from ..port import Stream as Stream

__all__ = ["Analog", "Bus", "File", "Port", "Stream"]
