"""For MicroPython's WebAssembly build, which has no sockets: nothing can be connected."""

AF_INET, SOCK_STREAM, SOCK_DGRAM = 2, 1, 2
_EAFNOSUPPORT = 97


def getaddrinfo(*_):
    raise OSError(_EAFNOSUPPORT)


def socket(*_):
    raise OSError(_EAFNOSUPPORT)
