"""A server that speaks TLS, and a proxy that opens tunnels to it, for the tests of clients."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.recording_server import RecordingServer


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 and localhost, with its key, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + signed.public_bytes(encoding))
    return file


@contextmanager
def tls_server(file: Path) -> Iterator[RecordingServer]:
    """A recording server behind TLS: ``https://127.0.0.1:port``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with RecordingServer() as server:
        listening = server._server.socket
        server._server.socket = context.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)
        yield server


class Tunnels:
    """A proxy that leads every tunnel to one port of this machine, and keeps the heads of what it was asked."""

    def __init__(self, listening: socket.socket, port: int) -> None:
        self.heads: list[bytes] = []
        self.port = int(listening.getsockname()[1])
        self._listening = listening
        self._to = port
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):  # closed: the test is over
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._open, args=(connection,), daemon=True).start()

    def _open(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        self.heads.append(head)
        with suppress(OSError), connection, socket.create_connection(("127.0.0.1", self._to)) as target:
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(target, connection), daemon=True)
            back.start()
            _pass_on(connection, target)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def tunnels_to(port: int) -> Iterator[Tunnels]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Tunnels(listening, port)
