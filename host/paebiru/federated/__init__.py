"""Federated learning on the hub: splits, rules, the master, the float32 reference."""

from paebiru.federated.geometric import krum_aggregate
from paebiru.federated.rules import fedavg_aggregate, model_average

__all__ = ["fedavg_aggregate", "krum_aggregate", "model_average"]
