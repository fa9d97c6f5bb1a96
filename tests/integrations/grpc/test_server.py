"""gRPC servers, sync and aio: every rule for a server, with each kind of handler."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import synthetic
from synthetic_grpc import AioServerInterceptor, ServerInterceptor
from tests.integrations.grpc.servers import FullServerContract, StreamsThatAreLeft
from tests.integrations.grpc.service import ReadingAndWriting, Sync, aio_server, call, sync_server
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

    def test_metadata_of_the_handlers_own_stay_beside_the_reason(self, port: int, keys: dict[str, Any]) -> None:
        """They do not, here: such a handler's context does not tell what it was given."""
        synthetic.configure(keys=keys, policy={"payment": "refuse"})
        assert call(port, "refused_with_own", marked(keys)).trailing == {"synthetic-reason": "effect-refused"}
