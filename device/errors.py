"""The error codes of the wire format, and the one exception that carries them.

Codes down to -10010 are the vendor's (WM IoT SDK); from -10032 on they are this project's.
Their texts are in texts_en.py and texts_zh.py, loaded only when one has to be said.
"""

# Plain numbers: smaller than const(), and the host's programs import them too.
NO_MEM = -2
INVALID_PARAM = -3  # the configuration has an unknown key or a bad value

NO_INIT = -10001  # the configuration or a file it names is missing
HEADER_INVALID = -10002
SAME_VERSION = -10003
CRC_ERROR = -10004
FW_OVERFLOW = -10005
TIMEOUT = -10006
NO_GOT_IP = -10007
CONNECTION_FAILED = -10008
ALREADY_RUNNING = -10009
SHA256_ECDSA = -10010

FLASH = -10032
DOWNGRADE = -10033
SIZE_MISMATCH = -10034
BAD_MESSAGE = -10035
ROLLED_BACK = -10036
WRONG_BOARD = -10037
NO_SLOT = -10038
HTTP_STATUS = -10039
TLS_REFUSED = -10040
REFUSED_IMAGE = -10041
NO_CLOCK = -10042
OFFER_SIGNATURE = -10043
VERSION_UNKNOWN = -10044


class OtaError(Exception):
    """Something that stops an update or a connection: `code` goes on the wire, `detail` into the log.
    facts: [(name, str)] that go on the wire beside the code."""

    def __init__(self, code, detail="", facts=()):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.facts = facts
