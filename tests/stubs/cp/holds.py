"""The port has all that the contract names, as it names it."""

from paebiru_node.port import Board, Port, cp


def port(board: Board) -> Port:
    """Return the port, as what the node takes it for."""
    return cp.Port(board)
