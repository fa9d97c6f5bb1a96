"""What Starlette and FastAPI applications expect beyond the bare middleware.

``install(app)`` does all of it: admission, ``request.state.marker``, and a problem response where a guard refuses.
"""

from synthetic_starlette._in import SyntheticTrafficMiddleware, install, marker
from synthetic_starlette._refusal import refused

__all__ = ["SyntheticTrafficMiddleware", "install", "marker", "refused"]
