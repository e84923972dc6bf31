"""What the frames of the link say: their types, sizes, errors, and where their fields are.

``SPEC-link.md`` draws every message; the offsets below are its columns.  There are numbers
alone in here: a board has them compiled into what names them, and does not load this module.
"""

VERSION = 1

# -- frame types; 5B is "[" and stays free, see sil.kernels.wire.slip_scan
HELLO = 1
COOKIE = 2
CHALLENGE = 3
PROOF = 4
WELCOME = 5
ERROR = 6
PING = 7
PONG = 8
BYE = 9
POST = 16
POST_ACK = 17
OFFER = 32
ACCEPT = 33
HAVE = 34
REFUSE = 35
DATA = 36
SACK = 37
COMMIT = 38
CANCEL = 39

# -- kinds of posts; an application adds its own from 16 up
STATES = 1
ROTATE = 2  # u16 epoch, 16 bytes of salt: derive your next key

# -- errors, as ERROR, REFUSE, CANCEL and BYE carry them
E_VERSION = 1
E_AUTH = 2
E_REPLAY = 3
E_SIZE = 4
E_BUSY = 5
E_SPACE = 6
E_HASH = 7
E_BASE = 8
E_STATE = 9
E_QUOTA = 10
E_REVOKED = 11
E_CODEC = 12

# -- capabilities
CAP_ENCRYPT = 1
CAPABILITIES = CAP_ENCRYPT  # all that version 1 knows

# -- sizes
UNIT = 16  # objects travel in units: offsets and chunks are multiples of it
MAX_CHUNK = 960
MIN_CHUNK = 48
MAX_OBJECT = 1 << 20
SACK_REACH = 128  # units of which a SACK tells that repeats itself: it must get across
SACK_LONG = 512  # units: a SACK that tells of more is followed by a short one
MAX_POST = 1008  # 63 states
STATE = 16
COUNTER_END = 1 << 29  # a session ends before its counter gets here

# -- HELLO: who calls, what it can do, where its posts stand; authenticated by `mac`
HELLO_MIN = 0
HELLO_MAX = 1
HELLO_DEVICE = 2  # 8 bytes
HELLO_EPOCH = 10
HELLO_NONCE = 12  # 16 bytes
HELLO_BOOT = 28
HELLO_ATTEMPT = 32
HELLO_CAPS = 34
HELLO_POSTS = 36  # a posts record, see below
HELLO_FIRMWARE = 48  # major, minor, patch, 0
HELLO_COOKIE = 52  # 8 bytes
HELLO_MAC = 60  # 16 bytes
HELLO_SIZE = 76

# -- CHALLENGE: the answer to HELLO; `mac` proves that the answerer has the key
CHALLENGE_VERSION = 0
CHALLENGE_CAPS = 2
CHALLENGE_NONCE = 4  # 16 bytes
CHALLENGE_POSTS = 20
CHALLENGE_MAC = 32  # 16 bytes
CHALLENGE_SIZE = 48

# -- a posts record: my stream and its oldest unacknowledged number; yours and the next I expect
POSTS_STREAM = 0
POSTS_BASE = 4
POSTS_PEER_STREAM = 6
POSTS_EXPECTED = 10
POSTS_SIZE = 12

COOKIE_SIZE = 8
NONCE_SIZE = 16
DEVICE_SIZE = 8

# -- OFFER
OFFER_ID = 0
OFFER_KIND = 1
OFFER_CODEC = 2
OFFER_LENGTH = 4
OFFER_RAW = 8
OFFER_HASH = 12  # 32 bytes
OFFER_BASE = 44  # 8 bytes: the head of the hash of what it is a difference to, or zeros
OFFER_SIZE = 52

# -- ACCEPT: id, 0, window in units, offset
ACCEPT_WINDOW = 2
ACCEPT_OFFSET = 4
ACCEPT_SIZE = 8

# -- DATA: id, unit of the first byte, bytes
DATA_UNIT = 1
DATA_BYTES = 3

# -- SACK: id, cumulative unit (24 bits), newest counter, credit in units beyond the
#    cumulative one, then one bit for each unit from there on (least significant first)
SACK_CUMULATIVE = 1
SACK_NEWEST = 4
SACK_CREDIT = 8
SACK_BITMAP = 10
SACK_CUT = 0x8000  # in the credit: units beyond the bitmap may have come as well
