"""Prices rides by gRPC and books them by HTTP. One in eleven bookings fails at first and is repeated."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import synthetic

synthetic.instrument()

import grpc  # noqa: E402
import httpx  # noqa: E402

from tests.e2e import store  # noqa: E402

back = httpx.Client(base_url=os.environ["E2E_BACK"], timeout=30)


def price(request: bytes, context: grpc.ServicerContext) -> bytes:
    id_ = request.decode()
    if store.record("grpc", id_) == 1 and store.is_one_in(7, id_):
        context.abort(grpc.StatusCode.UNAVAILABLE, "injected")
    for _ in range(3):
        if back.post(f"/rides/{id_}").status_code == 200:
            return b"7"
    context.abort(grpc.StatusCode.INTERNAL, f"{id_} could not be booked")
    raise AssertionError("aborted")


class Pricing(grpc.GenericRpcHandler):
    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(price)


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Pricing(),))
    server.add_insecure_port(os.environ["E2E_GRPC"])
    server.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
