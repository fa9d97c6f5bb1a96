"""The marker in messages that are sent with boto3: messages of SQS and SNS, and events of EventBridge.

``synthetic.instrument("boto3")`` covers every client of botocore, also those that exist; ``cover(client)`` covers one.
Handle a received message in ``admitted(message)``. A call to any other service of AWS is a call to its host.
"""

from __future__ import annotations

from botocore.client import BaseClient  # type: ignore[import-untyped]
from botocore.credentials import CredentialResolver, RefreshableCredentials  # type: ignore[import-untyped]
from botocore.endpoint import Endpoint  # type: ignore[import-untyped]
from botocore.tokens import DeferredRefreshableToken  # type: ignore[import-untyped]

from synthetic.integration import Integration, Patch, Patches, noting_injections
from synthetic_boto3._explicit import admitted, cover
from synthetic_boto3._out import carrying, in_request, really, sending
from synthetic_boto3._refusal import ExternalRequestRefused, NoRoomForMarker

__all__ = ["ExternalRequestRefused", "NoRoomForMarker", "admitted", "cover", "integration"]

integration: Integration = Patches(
    Patch(BaseClient, "_emit_api_params", carrying),
    Patch(BaseClient, "_make_request", in_request),
    Patch(Endpoint, "_send", sending),
    Patch(RefreshableCredentials, "_protected_refresh", really),
    Patch(CredentialResolver, "load_credentials", really),
    Patch(DeferredRefreshableToken, "_protected_refresh", really),
    noting_injections(),
)
"""The entry point ``boto3``."""
