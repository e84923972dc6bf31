"""Federated learning on the hub: splits, rules, the master, the float32 reference."""
