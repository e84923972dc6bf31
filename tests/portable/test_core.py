"""Bytes, states, rho_sil, inference and training give the golden values."""

import unittest
from array import array
from hashlib import sha256

import vectors
from sil import bytesil, intmath, layers, nn, rho, state, train, update
from sil.errors import FormatError, ModelError, RangeError
from sil.kernels import dense


def table_digest(op):
    """Return the SHA-256 of op over all 65536 pairs, row by row: a board has no 64 KiB to spare."""
    digest = sha256()
    row = bytearray(256)
    for a in range(256):
        for b in range(256):
            row[b] = op(a, b)
        digest.update(bytes(row))
    return vectors.tohex(digest.digest())


def over_all(op, n):
    return vectors.tohex(bytes([op(code, n) for code in range(256)]))


class TestByteSil(unittest.TestCase):
    def setUp(self):
        self.golden = vectors.load("core")["bytesil"]

    def test_mul_over_every_pair(self):
        self.assertEqual(table_digest(bytesil.mul), self.golden["tables"]["mul"])

    def test_div_over_every_pair(self):
        self.assertEqual(table_digest(bytesil.div), self.golden["tables"]["div"])

    def test_mix_over_every_pair(self):
        self.assertEqual(table_digest(bytesil.mix), self.golden["tables"]["mix"])

    def test_powers_and_roots_of_every_code(self):
        for n in self.golden["pow"]:
            self.assertEqual(over_all(bytesil.pow, int(n)), self.golden["pow"][n])
        for n in self.golden["root"]:
            self.assertEqual(over_all(bytesil.root, int(n)), self.golden["root"][n])
        with self.assertRaises(RangeError):
            bytesil.root(0x80, 0)

    def test_complex_both_ways(self):
        for code in range(256):
            self.assertEqual(list(bytesil.to_complex(code)), self.golden["complex"][code])
        for re, im, code in self.golden["from_complex"]:
            self.assertEqual(bytesil.from_complex(re, im), code)
        with self.assertRaises(RangeError):
            bytesil.from_complex(1 << 29, 0)

    def test_weights_both_ways(self):
        for code in range(256):
            self.assertEqual(bytesil.decode(code), self.golden["dec"][code])
        for value, code in self.golden["encode"]:
            self.assertEqual(bytesil.encode(value), code)


class TestState(unittest.TestCase):
    def test_units(self):
        every = state.SilState(bytes(range(0, 256, 16)))
        self.assertEqual(every.tensor(state.neutral()), every)
        self.assertEqual(every.tensor(state.vacuum()), state.vacuum())
        self.assertEqual(every.xor(every), state.vacuum())
        self.assertEqual(hash(state.SilState(every.to_bytes())), hash(every))

    def test_operations_return_new_values(self):
        old = state.neutral()
        new = old.with_layer(layers.DERMIC, bytesil.I)
        self.assertEqual(old, state.neutral())
        self.assertEqual(new.get_layer(4), bytesil.I)
        self.assertEqual(
            new.project(layers.PERCEPTION).to_bytes(), b"\x80\x80\x80\x80\x84" + bytes(11)
        )
        self.assertEqual(old.merge(new, 1 << 4), new)

    def test_collapse(self):
        some = state.vacuum().with_layer(0, 0x80).with_layer(15, 0x88)
        self.assertEqual(some.collapse("xor"), 0x08)
        self.assertEqual(some.collapse("sum"), bytesil.NULL)
        self.assertEqual(some.collapse("first"), 0x80)
        self.assertEqual(some.collapse("last"), 0x88)
        self.assertEqual(state.maximum().collapse("sum"), bytesil.MAX)
        with self.assertRaises(RangeError):
            some.collapse("mean")

    def test_what_is_no_state_is_refused(self):
        with self.assertRaises(FormatError):
            state.from_bytes(bytes(15))
        with self.assertRaises(RangeError):
            state.vacuum().with_layer(16, 0)
        with self.assertRaises(RangeError):
            state.vacuum().with_layer(0, 256)


class TestLayers(unittest.TestCase):
    def test_each_layer_has_one_tier_and_one_name(self):
        tiers = [layers.tier(layer) for layer in range(16)]
        self.assertEqual(
            tiers, ["board"] * 5 + ["hub"] * 3 + ["mesh"] * 3 + ["swarm"] * 2 + ["protocol"] * 3
        )
        for layer in range(16):
            self.assertEqual(layers.by_name(layers.NAMES[layer]), layer)
        self.assertEqual(layers.by_name("LA"), 10)
        with self.assertRaises(RangeError):
            layers.by_name("taste")

    def test_configuration(self):
        config = layers.lis_config_create(1, 0x1234)
        config = layers.lis_enable_modality(config, layers.PHOTONIC)
        config = layers.lis_enable_modality(config, layers.DERMIC)
        self.assertEqual(config.to_bytes(), b"\x01\x34\x12\x11\x00")
        self.assertEqual(layers.config_from_bytes(config.to_bytes()), config)
        self.assertTrue(config.enabled(4))
        self.assertFalse(config.enabled(1))
        self.assertEqual(layers.lis_config_full().mask, layers.ALL)
        with self.assertRaises(RangeError):
            layers.lis_enable_modality(config, 16)


class TestRho(unittest.TestCase):
    def setUp(self):
        self.golden = vectors.load("core")["rho"]

    def test_within_its_bound_of_the_formula(self):
        for case in self.golden:
            off = rho.rho_sil(vectors.unhex(case["vector"])) / 32768 - case["rho"]
            self.assertTrue(-1 / 512 < off < 1 / 512)

    def test_a_stream_in_pieces_measures_the_same(self):
        meter = rho.RhoMeter()
        for case in self.golden:
            vector = vectors.unhex(case["vector"])
            meter.reset()
            for i in range(len(vector)):
                meter.feed(vector, i, i + 1)
            self.assertEqual(meter.value(), rho.rho_sil(vector))

    def test_routing(self):
        self.assertEqual(rho.rho_critical(32768, 0, 0, 32768), 32768)
        self.assertEqual(rho.rho_critical(32768, 32768, 0, 32768), 16384)
        self.assertEqual(rho.rho_critical(16384, 0, 32768, 0), 16384 * 7 * 3277 // 327680)
        self.assertTrue(rho.should_offload(101, 100))
        self.assertFalse(rho.should_offload(100, 100))
        zones = [rho.zone(r) for r in (0, 3276, 3277, 9830, 16384, 26214, 32768)]
        self.assertEqual(zones, [0, 0, 1, 2, 3, 4, 4])
        with self.assertRaises(RangeError):
            rho.rho_critical(32769, 0, 0, 0)

    def test_too_short(self):
        with self.assertRaises(RangeError):
            rho.rho_sil(b"\x80")


class TestNetwork(unittest.TestCase):
    def setUp(self):
        self.golden = vectors.load("core")

    def test_random_numbers(self):
        for seed in self.golden["rand16"]:
            rand = intmath.Rand16(int(seed))
            self.assertEqual([rand.next() for _ in range(8)], self.golden["rand16"][seed])

    def test_initial_models(self):
        for case in self.golden["networks"]:
            codes = nn.initial_codes(tuple(case["sizes"]), case["seed"])
            self.assertEqual(vectors.tohex(codes), case["codes"])

    def test_inference(self):
        for case in self.golden["networks"]:
            sizes = tuple(case["sizes"])
            network = nn.Network(sizes, vectors.unhex(case["codes"]), case["signed"])
            x = vectors.unhex(case["x"])
            answers = [network.classify(x[i : i + sizes[0]]) for i in range(0, len(x), sizes[0])]
            self.assertEqual(answers, case["classes"])
            network.classify(x[: sizes[0]])
            self.assertEqual([network.logit(k) for k in range(sizes[-1])], case["logits"])

    def test_training(self):
        for case in self.golden["networks"]:
            trainer = train.Trainer(tuple(case["sizes"]), case["signed"])
            trainer.load(vectors.unhex(case["codes"]))
            base = trainer.masters[:]
            labels = vectors.unhex(case["labels"])
            order = array("H", range(len(labels)))
            trainer.epoch(vectors.unhex(case["x"]), labels, order, case["seed"] + 1)
            self.assertEqual(list(trainer.masters), case["trained"])
            self.assertEqual(vectors.tohex(nn.encode(trainer.masters)), case["trained_codes"])
            trainer.base, trainer.proximal = base, case["proximal"]
            order = array("H", range(len(labels)))
            trainer.epoch(vectors.unhex(case["x"]), labels, order, case["seed"] + 2)
            self.assertEqual(list(trainer.masters), case["drawn"])

    def test_masters_drawn_to_their_base(self):
        for case in self.golden["pulls"]:
            masters = array("h", case["masters"])
            base = array("h", case["base"])
            dense.pull(masters, len(base), base, case["mu"], 7 + case["lrs"], case["dither"])
            self.assertEqual(list(masters), case["drawn"])

    def test_training_from_the_largest_weights(self):
        for case in self.golden["extremes"]:
            trainer = train.Trainer(tuple(case["sizes"]), case["signed"], 3, 0)
            trainer.load(vectors.unhex(case["codes"]))
            labels = vectors.unhex(case["labels"])
            order = array("H", range(len(labels)))
            trainer.epoch(vectors.unhex(case["x"]), labels, order, case["seed"])
            self.assertEqual(list(trainer.masters), case["trained"])

    def test_the_limit_of_the_largest_sum(self):
        for case in self.golden["limits"]:
            codes = vectors.unhex(case["codes"])
            if case["fits"]:
                nn.check(tuple(case["sizes"]), codes, case["signed"])
            else:
                with self.assertRaises(ModelError):
                    nn.check(tuple(case["sizes"]), codes, case["signed"])

    def test_what_cannot_run_exactly_is_refused(self):
        with self.assertRaises(ModelError):
            nn.Network((8, 6, 3), bytes(74), False)
        with self.assertRaises(ModelError):
            nn.Network((2, 2), bytes([0xF0] * 6), False)
        for sizes in ((8,), (8, 1), (8, 65), (0, 2), (5000, 2)):
            with self.assertRaises(ModelError):
                nn.check_sizes(sizes)
        with self.assertRaises(RangeError):
            train.Trainer((2, 2), False, 7)


class TestUpdates(unittest.TestCase):
    def test_taking_and_applying(self):
        for case in vectors.load("core")["updates"]:
            changes = array("h", case["changes"])
            frame = bytearray(len(changes))
            taken = update.Selector(len(changes), case["share"]).take(changes, frame)
            self.assertEqual(vectors.tohex(frame), case["frame"])
            self.assertEqual(list(changes), case["left"])
            self.assertEqual(taken, len([code for code in frame if code]))
            model = array("h", case["model"])
            update.apply(model, frame)
            self.assertEqual(list(model), case["after"])


if __name__ == "__main__":
    unittest.main()
