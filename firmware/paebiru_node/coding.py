"""The one entropy coder's model of a board, 12 KB with its table, for whoever codes just then.

States, updates and recordings are coded block by block, each of which begins with the shipped
priors, and never two at a time: what one leaves behind the next resets.
"""

from sil.coder import Model

_made: "list[Model]" = []


def model() -> Model:
    """Return the model, made when it is first asked for."""
    if not _made:
        _made.append(Model(True))
    return _made[0]
