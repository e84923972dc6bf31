"""The link: every byte between a board and its hub, as shared/SPEC-link.md draws them.

It uses the core's `compat`, `crc`, `errors`, `intmath` and `kernels.wire`; nothing of
the core uses it.  `session` tells how to drive it; `initiator` is the board's end,
`responder` the hub's.
"""
