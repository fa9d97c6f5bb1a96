"""What Flask applications expect beyond the bare middleware.

``install(app)`` does all of it: admission, ``marker()`` in views, and a problem response where a guard refuses.
"""

from synthetic_flask._in import install, marker
from synthetic_flask._refusal import refused

__all__ = ["install", "marker", "refused"]
