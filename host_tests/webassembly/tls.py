"""For MicroPython's WebAssembly build, which has no TLS: no context can be made."""

PROTOCOL_TLS_CLIENT, CERT_REQUIRED = 0, 2
_EAFNOSUPPORT = 97


def SSLContext(_):
    raise OSError(_EAFNOSUPPORT)
