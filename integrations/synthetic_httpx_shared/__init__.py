"""Private: shared by ``synthetic_httpx`` and ``synthetic_httpx2``, because httpx2 is a fork with the API of httpx.

It imports neither library, and uses of requests, responses and clients only what both have.
"""

from synthetic_httpx_shared._explicit import AsyncCarrying, Carrying
from synthetic_httpx_shared._out import Errors, patches

__all__ = ["AsyncCarrying", "Carrying", "Errors", "patches"]
