"""A plain HTTP/2 client: it sends the metadata that a gRPC client refuses to send."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, TrailersReceived


def call_raw(port: int, path: str, metadata: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Make a unary call with an empty message; return the headers and trailers of the answer."""
    config = H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="utf-8")
    connection = H2Connection(config)
    connection.initiate_connection()
    fixed = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"), ("te", "trailers")]
    headers = [*fixed, ("content-type", "application/grpc"), *metadata]
    connection.send_headers(1, [(name.encode(), value.encode("latin-1")) for name, value in headers])
    connection.send_data(1, b"\0\0\0\0\0", end_stream=True)
    answered: dict[str, str] = {}
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connected:
        connected.sendall(connection.data_to_send())
        while True:
            for event in connection.receive_data(connected.recv(65_536)):
                if isinstance(event, (ResponseReceived, TrailersReceived)):
                    answered.update((str(name), str(value)) for name, value in event.headers or ())
                elif isinstance(event, DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length or 0, 1)
                elif isinstance(event, StreamEnded):
                    return answered
            connected.sendall(connection.data_to_send())
