"""Django, by one line in its settings: ``MIDDLEWARE = ["synthetic_django.SyntheticTrafficMiddleware", ...]``.

The middleware admits each request, sets ``request.marker``, and answers where a guard refuses, in WSGI and in ASGI.
Streamed bodies and the end of a response have the verdict of their request, though Django runs them after every
middleware has returned. If the first signals of a request need the verdict, too, put ``synthetic.wsgi`` or
``synthetic.asgi`` around the application instead.
"""

from synthetic_django._in import SyntheticTrafficMiddleware

__all__ = ["SyntheticTrafficMiddleware"]
