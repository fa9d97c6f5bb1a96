"""The last service: books rides."""

from __future__ import annotations

import os

import synthetic

synthetic.instrument()

from flask import Flask  # noqa: E402

from synthetic_flask import install  # noqa: E402
from tests.e2e import store  # noqa: E402

app = Flask("back")
install(app)


@app.post("/rides/<id_>")
def book(id_: str) -> tuple[str, int]:
    if store.record("back", id_) == 1 and store.is_one_in(11, id_):
        return "injected", 500
    return "booked", 200


if __name__ == "__main__":
    import waitress  # type: ignore[import-untyped]

    waitress.serve(app, host="127.0.0.1", port=int(os.environ["E2E_BACK"].rpartition(":")[2]), threads=4)
