"""For MicroPython's WebAssembly build, which has no TLS: nothing is a certificate here."""

PROTOCOL_TLS_CLIENT, CERT_REQUIRED = 0, 2


class SSLContext:
    def __init__(self, _):
        pass

    def load_verify_locations(self, _):
        raise ValueError("no TLS in this build")

    load_cert_chain = load_verify_locations
