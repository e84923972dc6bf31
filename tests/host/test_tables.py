"""The frozen tables are the ones that the formulas give."""

from array import array

import make_tables
import pytest

from sil import tables

EXPECTED = {
    "levels": (120, 2, 17_772_769),
    "thresholds": (120, 1, 17_600_776),
    "dec": (256, -17_772_769, 17_772_769),
    "expn": (256, 1, 4096),
    "magnitudes": (16, 5, 17_967_238),
    "cosines": (16, -16384, 16384),
    "log2_fractions": (65, 0, 1024),
    "rho_limits": (15, 9, 10_897_681),
}


def test_the_file_is_what_its_generator_prints() -> None:
    """A table edited by hand, or a generator changed without `make vectors`, shows up here."""
    assert make_tables.OUT.read_text(encoding="utf-8") == make_tables.text()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_table_unpacks_to_its_range(name: str) -> None:
    """Each typecode is wide enough and of the right sign: length, least and greatest as known."""
    table: array[int] = getattr(tables, name)()
    assert (len(table), min(table), max(table)) == EXPECTED[name]
    assert getattr(tables, name)() is table  # unpacked once


def test_weights_of_all_codes_are_the_definition_s() -> None:
    """DEC, put together from levels and their codes, equals the formula at every code."""
    assert list(tables.dec()) == [make_tables.decode(code) for code in range(256)]
    assert len(set(tables.dec())) == 241
