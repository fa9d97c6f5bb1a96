"""gRPC servers, sync and aio: every rule for a server, with each kind of handler."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import synthetic
from synthetic_grpc import AioServerInterceptor, ServerInterceptor
from tests.integrations.grpc.server_contract import FullServerContract, StreamsThatAreLeft
from tests.products.grpc.clients import call
from tests.products.grpc.servers import aio_server, sync_server
from tests.products.grpc.service import ReadingAndWriting, Sync
from tests.support.markers import marked


class TestSync(FullServerContract, StreamsThatAreLeft):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return sync_server(ServerInterceptor(**settings))


class TestAio(FullServerContract, StreamsThatAreLeft):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return aio_server(AioServerInterceptor(**settings))


class TestAioReadingAndWriting(FullServerContract, StreamsThatAreLeft):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return aio_server(AioServerInterceptor(**settings), servicer=ReadingAndWriting())


class TestAioWithSyncHandlers(FullServerContract):
    def serving(self, **settings: Any) -> AbstractContextManager[int]:
        return aio_server(AioServerInterceptor(**settings), servicer=Sync())

    def test_the_handlers_own_metadata_are_kept_beside_the_reason(self, port: int, keys: dict[str, Any]) -> None:
        """Here they are not: the context of such a handler does not give back the metadata that it was given."""
        synthetic.configure(keys=keys, policy={"payment": "refuse"})
        assert call(port, "refused_with_own", marked(keys)).trailing == {"synthetic-reason": "effect-refused"}
