"""What holds for states and configurations: every docstring is an invariant."""

from hypothesis import given
from hypothesis import strategies as st

from sil import bytesil, layers, state
from sil.state import SilState

states = st.binary(min_size=16, max_size=16).map(SilState)
masks = st.integers(0, layers.ALL)


@given(states, states)
def test_tensor_is_mul_in_every_layer(a: SilState, b: SilState) -> None:
    """Each layer is mul of the two; commutative, neutral is the unit and vacuum the zero."""
    product = a.tensor(b)
    for i in range(16):
        assert product.get_layer(i) == bytesil.mul(a.get_layer(i), b.get_layer(i))
    assert product == b.tensor(a)
    assert a.tensor(state.neutral()) == a and a.tensor(state.vacuum()) == state.vacuum()


@given(states, states, states)
def test_xor_is_a_group(a: SilState, b: SilState, c: SilState) -> None:
    """a ^ b ^ b = a, associative, commutative, unit vacuum; collapse by xor respects it."""
    assert a.xor(b).xor(b) == a and a.xor(a) == state.vacuum() and a.xor(state.vacuum()) == a
    assert a.xor(b.xor(c)) == a.xor(b).xor(c) and a.xor(b) == b.xor(a)
    assert a.xor(b).collapse("xor") == a.collapse("xor") ^ b.collapse("xor")


@given(states, masks, masks)
def test_projections_intersect(a: SilState, m: int, n: int) -> None:
    """project(m).project(n) = project(m & n); complements xor to the whole; ALL is the whole."""
    assert a.project(m).project(n) == a.project(m & n)
    assert a.project(m).xor(a.project(layers.ALL & ~m)) == a
    assert a.project(layers.ALL) == a and a.project(0) == state.vacuum()


@given(states, states, masks)
def test_merge_takes_what_the_mask_names(a: SilState, b: SilState, m: int) -> None:
    """a.merge(b, m) has b's layers where m's bit is set and a's elsewhere."""
    merged = a.merge(b, m)
    assert merged.project(m) == b.project(m)
    assert merged.project(layers.ALL & ~m) == a.project(layers.ALL & ~m)
    assert merged.merge(a, m) == a


@given(states, st.integers(0, 15), st.integers(0, 255))
def test_a_state_is_a_value(a: SilState, layer: int, value: int) -> None:
    """with_layer changes that layer of a new state alone; equal bytes are equal with equal hash."""
    before = a.to_bytes()
    new = a.with_layer(layer, value)
    assert a.to_bytes() == before and new.get_layer(layer) == value
    assert new.merge(a, 1 << layer) == a
    assert state.from_bytes(before) == a and hash(state.from_bytes(before)) == hash(a)
    assert (new == a) == (a.get_layer(layer) == value)


@given(states)
def test_the_tiers_are_the_state_in_order(a: SilState) -> None:
    """Perception to protocol, one behind another, are the 16 bytes, as their masks project them."""
    tiers = (a.perception(), a.processing(), a.interaction(), a.emergence(), a.protocol())
    assert b"".join(tiers) == a.to_bytes()
    named = (layers.PERCEPTION, layers.PROCESSING, layers.INTERACTION,
             layers.EMERGENCE, layers.PROTOCOL)  # fmt: skip
    at = 0
    for mask, raw in zip(named, tiers, strict=True):
        assert a.project(mask).to_bytes() == bytes(at) + raw + bytes(16 - at - len(raw))
        at += len(raw)


@given(states, st.permutations(range(16)))
def test_collapse_by_sum(a: SilState, order: list[int]) -> None:
    """The sum's byte does not depend on the layers' order, and is the byte nearest to the sum."""
    raw = a.to_bytes()
    sums = [sum(part) for part in zip(*map(bytesil.to_complex, raw), strict=True)]
    assert a.collapse("sum") == bytesil.from_complex(*sums)
    assert SilState(bytes(raw[i] for i in order)).collapse("sum") == a.collapse("sum")
    assert (a.collapse("first"), a.collapse("last")) == (raw[0], raw[15])


def test_a_lone_byte_collapses_to_itself() -> None:
    """A state with one layer set collapses by sum and by xor to that layer's byte: all codes."""
    for code in range(256):
        lone = state.vacuum().with_layer(code % 16, code)
        assert lone.collapse("sum") == lone.collapse("xor") == code


@given(st.integers(0, 255), st.integers(0, 65535), masks, st.integers(0, 15))
def test_configurations(version: int, node: int, mask: int, layer: int) -> None:
    """Five bytes and back; enabling sets one bit of a new value, and twice is once."""
    config = layers.LisConfig(version, node, mask)
    assert len(config.to_bytes()) == 5
    assert layers.config_from_bytes(config.to_bytes()) == config
    more = layers.lis_enable_modality(config, layer)
    assert more.mask == mask | 1 << layer and config.mask == mask
    assert more.enabled(layer) and layers.lis_enable_modality(more, layer) == more
    assert config.enabled(layer) == bool(mask & 1 << layer)
