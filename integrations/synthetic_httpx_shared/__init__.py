"""Private: what ``synthetic_httpx`` and ``synthetic_httpx2`` share, for httpx2 is a fork with the API of httpx.

It imports neither of them. Requests, responses and clients are taken for what both libraries agree on.
"""
