"""The firmware of a board: it perceives, learns, and talks to its hub.

`app.Node` is the whole of it, and does no I/O of its own: a port (`port`) gives it the
hardware, `sensors` turns readings into bytes of the state, and `step(now)` does what is due.
"""
