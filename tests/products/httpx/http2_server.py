"""A real server that speaks HTTP/2 without TLS."""

from __future__ import annotations

import socketserver
import threading

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from tests.support.clients import OURS


class Http2Server(socketserver.ThreadingTCPServer):
    """Remembers the ``baggage`` headers that came for each path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((OURS, 0), Http2Connection)
        self.baggage: dict[str, list[str]] = {}

    def url(self, path: str) -> str:
        return f"http://{OURS}:{self.server_address[1]}{path}"

    def __enter__(self) -> Http2Server:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()


class Http2Connection(socketserver.BaseRequestHandler):
    server: Http2Server

    def handle(self) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        connection.initiate_connection()
        self.request.sendall(connection.data_to_send())
        while received := self.request.recv(65_536):
            for event in connection.receive_data(received):
                if isinstance(event, RequestReceived):
                    headers = [(str(name), str(value)) for name, value in event.headers or ()]
                    came = [value for name, value in headers if name == "baggage"]
                    self.server.baggage[dict(headers)[":path"]] = came
                elif isinstance(event, DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                elif isinstance(event, StreamEnded):
                    connection.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
            self.request.sendall(connection.data_to_send())
