"""Shim of MicroPython's `tls` for CPython: DER contents instead of paths, None instead of exceptions."""

import os
import ssl
import tempfile

PROTOCOL_TLS_CLIENT = ssl.PROTOCOL_TLS_CLIENT
CERT_NONE = ssl.CERT_NONE
CERT_REQUIRED = ssl.CERT_REQUIRED

_WANT_READ, _WANT_WRITE, _ALERT = -26880, -26752, -30592


class SSLContext:
    def __init__(self, protocol):
        self._context = ssl.SSLContext(protocol)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE  # what a board's context starts with
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2

    @property
    def verify_mode(self):
        return self._context.verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        self._context.check_hostname = mode == CERT_REQUIRED
        self._context.verify_mode = mode

    def load_verify_locations(self, cadata):
        try:
            self._context.load_verify_locations(cadata=bytes(cadata))
        except ssl.SSLError as error:
            raise ValueError("invalid cert") from error

    def load_cert_chain(self, certificate, key):
        """The standard library reads files only, so two private ones live for a moment."""
        from cryptography.hazmat.primitives import serialization

        try:
            private = serialization.load_der_private_key(key, None)
        except ValueError as error:
            raise ValueError("invalid key") from error
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "both.pem")
            with open(path, "wb") as file:
                file.write(ssl.DER_cert_to_PEM_cert(certificate).encode() + pem)
            self._context.load_cert_chain(path)

    def wrap_socket(self, sock, server_hostname=None, do_handshake_on_connect=True):
        return SSLSocket(self._context, sock, server_hostname, do_handshake_on_connect)


class SSLSocket:
    def __init__(self, context, sock, server_hostname, handshake):
        self._board_socket = sock
        self._ssl = context.wrap_socket(
            sock.raw, server_hostname=server_hostname, do_handshake_on_connect=handshake
        )
        self._shaken = handshake

    def fileno(self):
        return self._ssl.fileno()

    def pending(self):
        return self._ssl.pending()

    def readinto(self, buffer, count=-1):
        view = memoryview(buffer)[: None if count < 0 else count]
        return self._call(self._ssl.recv_into, view)

    def write(self, data):
        if not len(data):
            return self._call(lambda: 0)
        return self._call(self._ssl.send, data)

    def close(self):
        self._ssl.close()

    def _call(self, function, *arguments):
        """Shake hands first if that is still to do; None where MicroPython would say EAGAIN."""
        if self._board_socket.is_silent():
            return None
        try:
            if not self._shaken:
                self._ssl.do_handshake()
                self._shaken = True
            return function(*arguments)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLWantWriteError:
            return None
        except ssl.SSLCertVerificationError as error:
            raise ValueError(error.verify_message) from error
        except ssl.SSLEOFError:
            return 0  # a cut stream reads as a clean end
        except ssl.SSLError as error:
            raise OSError(_ALERT, error.reason) from error
