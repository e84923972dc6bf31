"""What `places.toml` says: which boards are where, how they are fused, and what follows from it.

[electronic]                          # layer 5's model; one for all places
classes = ["rest", "work", "fault"]
hidden = [16]
every = 20                            # so many new labels, of all places, and it learns:
rounds = 10                           # so many rounds among the places,
epochs = 4                            # in each of them so many times through all labels

[places.greenhouse]
boards = ["3c71bf0a11220000", "3c71bf0a33440000"]
horizon_ms = 20000                    # states that come later are dropped
fuse = { dermic = "strongest" }       # else: mean

[[places.greenhouse.rules]]           # the first that is on decides layer 6
name = "fan"
when = { layer = 5, class = "fault", rho_min = -1 }
then = { rho = 0, theta = 4 }
slack = 1                             # once on, rho_min is 1 lower
hold_ms = 5000                        # and it stays on for so long at least

[places.greenhouse.acts]              # while no rule is on, layer 5's class decides
classes = { work = { rho = -1, theta = 2 } }
rho_min = -1                          # a class that is less sure changes nothing
hold_ms = 5000                        # nor does any class sooner than that
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StrictStr, ValidationError, model_validator

from paebiru.errors import UsageError
from paebiru.fusion.forms import Name, Place, Rule, Table, When

MAX_CLASSES = 16
"""Layer 5 tells a class by theta."""


class Electronic(Table):
    """Layer 5's network: its classes by name, its hidden units, and when it learns."""

    classes: Annotated[list[StrictStr], Field(min_length=2, max_length=MAX_CLASSES)]
    hidden: tuple[Annotated[int, Field(strict=True, ge=1, le=256)], ...] = (16,)
    every: Annotated[int, Field(strict=True, ge=1, le=65_535)] = 20
    """New labels, of all places, that rounds are held for."""
    rounds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 10
    """Rounds that are held then, one after the other."""
    epochs: Annotated[int, Field(strict=True, ge=1, le=100)] = 4
    """Of each place in each of the rounds."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: two have the same name")
        return self

    def number(self, found: int | str) -> int:
        """Return the number of a class.

        Raises:
            ValueError: there is no such class.
        """
        if isinstance(found, str):
            if found not in self.classes:
                raise ValueError(f"class {found!r} is none of {', '.join(self.classes)}")
            return self.classes.index(found)
        if not 0 <= found < len(self.classes):
            raise ValueError(f"class {found} is out of 0..{len(self.classes) - 1}")
        return found


class Config(Table):
    """All places of a hub, and what they decide by."""

    electronic: Electronic | None = None
    places: Annotated[dict[Name, Place], Field(min_length=1)]

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        where: dict[bytes, str] = {}
        for name, place in self.places.items():
            for board in place.boards:
                if board in where:
                    raise ValueError(f"board {board.hex()} is at {where[board]} and at {name}")
                where[board] = name
            for rule in place.rules:
                self._check_classes(name, rule)
            try:
                self.acts_of(place)
            except ValueError as error:
                raise ValueError(f"places.{name}: acts: {error}") from None
        return self

    def _check_classes(self, place: str, rule: Rule) -> None:
        for condition in rule.when:
            try:
                self.class_of(condition)
            except ValueError as error:
                raise ValueError(f"places.{place}: rule {rule.name}: {error}") from None

    def class_of(self, when: When) -> int | None:
        """Return the number of the class that a condition asks for, None for any."""
        return None if when.found is None else self._number(when.found)

    def acts_of(self, place: Place) -> dict[int, tuple[str, int]]:
        """Return by class what it is called in a place's acts, and the byte of layer 6."""
        found: dict[int, tuple[str, int]] = {}
        for name, then in place.acts.classes.items() if place.acts else ():
            is_named = self.electronic is not None and name in self.electronic.classes
            number = self._number(int(name) if name.isdecimal() and not is_named else name)
            if number in found:
                raise ValueError(f"class {name} is class {found[number][0]}, which acts already")
            found[number] = (name, then.byte)
        return found

    def _number(self, found: int | str) -> int:
        if self.electronic:
            return self.electronic.number(found)
        if isinstance(found, str) or not 0 <= found < MAX_CLASSES:
            raise ValueError("a class by name needs [electronic]; by number it is 0 to 15")
        return found


def load(path: Path) -> Config:
    """Return the places that a TOML file describes.

    Raises:
        UsageError: the file cannot be read or says what cannot be; names the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"{path} cannot be read ({why}): give the TOML file of places") from None
    return parse(text, str(path))


def parse(text: str, where: str = "places") -> Config:
    """Return the places that a TOML text describes; `where` names it in errors.

    Raises:
        UsageError: as `load`.
    """
    try:
        return Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: {error}: put the TOML right there") from None
    except ValidationError as error:
        found = error.errors()
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UsageError(f"{where}: {_told(found[0])}{more}") from None


def _told(error: Mapping[str, Any]) -> str:
    kind = error["type"]
    key = ".".join(str(part) for part in error["loc"] if part != "[key]") or "places"
    if kind == "missing":
        return f"{key}: missing: add it"
    if kind == "extra_forbidden":
        return f"{key}: no such key: leave it out"
    what = str(error["msg"]).removeprefix("Value error, ")
    return f"{key}: {what}" if kind == "value_error" else f"{key}: {error['input']!r}: {what}"
