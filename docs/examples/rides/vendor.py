"""Somebody else's HTTP service: an analytics collector, or a map service. It knows nothing of markers.

``python vendor.py NAME`` writes every ride that reaches it into ``NAME.txt``, whoever sent it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import serving

notebook = serving.Notebook(Path(f"{sys.argv[1]}.txt"))


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    notebook.write(parse_qs(environ["QUERY_STRING"])["ride"][0])
    body = b'{"minutes": 4}'
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    serving.serve_wsgi(app)
