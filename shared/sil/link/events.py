"""What `Session.next_event` tells; the session's attributes named here hold the details.

Details stay until the session is fed again.
"""

NONE = 0
CONNECT = 1  # initiator: call `connect(key, nonce)`
HELLO = 2  # responder: look `session.caller` up, then `challenge(...)` or `turn_away(code)`
UP = 3  # the peer has proved itself; objects not committed are offered again
DOWN = 4  # the session is over; `code` says why (E_ codes, 0: silence)
POST = 5  # `kind`, and `buf[start:end]`
OFFER = 6  # look at `incoming`, then `accept(offset)`, `have()` or `refuse(code)`
DATA = 7  # `incoming.window[start:end]` continues the object; then `consume(end - start)`
COMPLETE = 8  # everything was consumed: store it durably, verify its hash, then `commit()`
CANCELLED = 9  # the sender gave the incoming object up
COMMITTED = 10  # the peer has stored our object
REFUSED = 11  # the peer does not take our object; `code` says why, `retry` (s) when to try again
TEXT = 12  # `buf[start:end]` arrived between frames: a log line
ALARM = 13  # a whole frame that the key did not sign: somebody tampers
ERROR = 14  # the peer complains, unsigned: `code`; only a hint
