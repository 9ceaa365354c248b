"""The error codes of the wire format, and the one exception that carries them.

Codes down to -10010 are the vendor's (WM IoT SDK); from -10032 on they are this project's.
Their texts stand in texts_en.py and texts_zh.py, loaded only when one has to be said.
"""

from micropython import const

NO_MEM = const(-2)
INVALID_PARAM = const(-3)  # the configuration has an unknown key or a bad value

NO_INIT = const(-10001)  # the configuration or a file it names is missing
HEADER_INVALID = const(-10002)
SAME_VERSION = const(-10003)
CRC_ERROR = const(-10004)
FW_OVERFLOW = const(-10005)
TIMEOUT = const(-10006)
NO_GOT_IP = const(-10007)
CONNECTION_FAILED = const(-10008)
ALREADY_RUNNING = const(-10009)
SHA256_ECDSA = const(-10010)

FLASH = const(-10032)
DOWNGRADE = const(-10033)
SIZE_MISMATCH = const(-10034)
BAD_MESSAGE = const(-10035)
ROLLED_BACK = const(-10036)
WRONG_BOARD = const(-10037)
NO_SLOT = const(-10038)
HTTP_STATUS = const(-10039)
TLS_REFUSED = const(-10040)
REFUSED_IMAGE = const(-10041)
NO_CLOCK = const(-10042)
OFFER_SIGNATURE = const(-10043)
VERSION_UNKNOWN = const(-10044)


class OtaError(Exception):
    """Something that stops an update or a connection: `code` goes on the wire, `detail` into the log.
    facts: [(name, str)] that go on the wire beside the code."""

    def __init__(self, code, detail="", facts=()):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.facts = facts


def text(code, language="en"):
    """The fixed text of a code, at most 20 characters, in "en" or "zh"."""
    if language == "zh":
        from .texts_zh import TEXTS
    else:
        from .texts_en import TEXTS
    return TEXTS.get(code, "")
