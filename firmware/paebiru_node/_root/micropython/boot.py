"""Runs first; `main.py` starts the node."""
