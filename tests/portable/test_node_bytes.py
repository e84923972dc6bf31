"""What node and hub say to each other has the bytes of SPEC-node.md, both ways."""

import unittest

import vectors
from sil import protocol as p
from sil import protocol_hub as hub
from sil.errors import FormatError


class TestNodeBytes(unittest.TestCase):
    def setUp(self):
        self.golden = vectors.load("node")

    def test_orders(self):
        for case in self.golden["orders"]:
            head = bytearray(p.ORDER_HEAD)
            hub.write_order_head(
                head, case["round"], case["seed"], case["counted"], case["epochs"], case["flags"],
                case["proximal"],
            )  # fmt: skip
            self.assertEqual(vectors.tohex(head), case["bytes"])

    def test_an_order_that_draws_nothing_back_has_zeros_there(self):
        head = bytearray(p.ORDER_HEAD)
        hub.write_order_head(head, 1, 0, 0, 1, 2)
        self.assertEqual(vectors.tohex(head), self.golden["orders"][0]["bytes"])

    def test_models(self):
        for case in self.golden["models"]:
            task = p.Task(
                tuple(case["sizes"]), bool(case["signed"]), case["share"], case["lb"], case["lrs"]
            )
            head = hub.write_model_head(task, case["flags"], case["round"], case["seed"])
            self.assertEqual(vectors.tohex(head), case["bytes"])
            read = p.read_model_head(vectors.unhex(case["bytes"]))
            self.assertEqual((read.sizes, read.signed), (task.sizes, task.signed))
            self.assertEqual((read.share, read.lb, read.lrs), (task.share, task.lb, task.lrs))

    def test_updates(self):
        for case in self.golden["updates"]:
            head = bytearray(p.UPDATE_HEAD)
            p.write_update_head(head, case["round"], case["samples"], case["right"])
            self.assertEqual(vectors.tohex(head), case["bytes"])

    def test_statuses(self):
        for case in self.golden["statuses"]:
            buf = bytearray(p.STATUS_SIZE)
            name = vectors.unhex(case["model"])
            p.write_status(
                buf, case["phase"], case["branch"], case["flags"], case["round"],
                case["generation"],
            )  # fmt: skip
            p.write_status_data(buf, case["samples"], case["inputs"], name, case["layers"])
            self.assertEqual(vectors.tohex(buf), case["bytes"])
            read = hub.Status(buf)
            self.assertEqual((read.phase, read.round), (case["phase"], case["round"]))
            self.assertEqual((read.samples, read.model), (case["samples"], name))

    def test_another_version_is_refused(self):
        for case in self.golden["statuses"]:
            wrong = bytearray(vectors.unhex(case["bytes"]))
            wrong[0] = 1
            with self.assertRaises(FormatError):
                hub.Status(wrong)
        for case in self.golden["models"]:
            wrong = bytearray(vectors.unhex(case["bytes"]))
            wrong[0] = 1
            with self.assertRaises(FormatError):
                p.read_model_head(wrong)


if __name__ == "__main__":
    unittest.main()
