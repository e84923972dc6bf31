"""What the ports share and what needs no hardware: look-ups, names, text beside frames."""

from sil.compat import const, ticks_diff

from ..errors import PortError
from . import MAX_NAME, MAX_SAVED, Board, Entry, Make, Part

_END = const(0xC0)
_PATIENCE = const(1000)  # ms that a line of text waits for the end of a frame
_WAITING = const(8)  # lines
_ALLOWED = "abcdefghijklmnopqrstuvwxyz0123456789_"


def described(board: Board, section: str, role: str) -> Entry:
    """Return what the board's description says about a part."""
    parts = board.get(section) or {}  # type: dict[str, Entry]
    if role not in parts:
        known = ", ".join(sorted(parts)) or "nothing"
        raise PortError(
            "this board has no '%s' among its %s, which have: %s; correct its description"
            % (role, section, known)
        )
    return parts[role]


def kind_of(entry: Entry, section: str, role: str, known: "tuple[str, ...]") -> str:
    """Return the entry's kind, which is one of those that a port has."""
    kind = str(entry.get("kind"))
    if kind not in known:
        raise PortError(
            "%s.%s: this port has no kind '%s', but %s" % (section, role, kind, ", ".join(known))
        )
    return kind


def made(what: str, make: Make, entry: Entry) -> Part:
    """Return ``make(entry)``; what goes wrong becomes a PortError that names the part."""
    try:
        return make(entry)
    except KeyError as error:
        raise PortError("%s: its description lacks '%s'" % (what, error.args[0]))
    except (ImportError, AttributeError) as error:
        raise PortError("%s: this interpreter has no such hardware (%s)" % (what, error))
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        if isinstance(error, PortError):
            raise
        raise PortError("%s: %s; see its entry in the board's description" % (what, error))


def check_name(name: str) -> None:
    """Refuse what cannot be a name of saved memory on every board."""
    if not 0 < len(name) <= MAX_NAME:
        raise PortError("'%s' is no name to save under: 1 to %d characters" % (name, MAX_NAME))
    for letter in name:
        if letter not in _ALLOWED:
            raise PortError("'%s' is no name to save under: only a-z 0-9 _" % name)


def check_size(name: str, size: int) -> None:
    """Refuse what is too long to be saved on every board."""
    if size > MAX_SAVED:
        raise PortError("'%s': %d bytes; at most %d can be saved" % (name, size, MAX_SAVED))


def one_line(text: str) -> str:
    """Return text without what would end its line."""
    return text.replace("\r", " ").replace("\n", " ")


class Gate:
    """Keeps lines of text out of the frames that share their line.

    A frame is written in pieces, and text that came between two of them would damage it.
    Both C0 of a frame are always written, so that a C0 ends a frame unless another stands
    right before it.
    """

    def __init__(self) -> None:
        self.lost = 0  # lines dropped because too many waited
        self._lines = []  # type: list[str]
        self._since = 0
        self._before = 0
        self._last = _END

    def passed(self, buf: "bytes | bytearray | memoryview", start: int, end: int) -> None:
        """Note that ``buf[start:end]`` went out."""
        if end - start > 1:
            self._before = buf[end - 2]
            self._last = buf[end - 1]
        elif end > start:
            self._before = self._last
            self._last = buf[start]

    def put(self, text: str, now: int) -> None:
        """Let a line wait for its turn."""
        if not self._lines:
            self._since = now
        if len(self._lines) < _WAITING:
            self._lines.append(one_line(text))
        else:
            self.lost += 1

    def is_due(self, now: int) -> bool:
        """Tell whether a line waits and may go out: between frames, or after a second."""
        if not self._lines:
            return False
        is_between = self._last == _END and self._before != _END
        return is_between or ticks_diff(now, self._since) > _PATIENCE

    def take(self) -> str:
        """Return the oldest line; what follows it starts anew."""
        self._before = 0
        self._last = _END
        return self._lines.pop(0)
