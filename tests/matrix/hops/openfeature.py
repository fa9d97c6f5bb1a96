"""Flags of the work, evaluated with OpenFeature."""

from __future__ import annotations

import synthetic
from tests.matrix.cases import Case, Hop


def _flag(case: Case, servers: None) -> str:
    from openfeature import api

    from tests.products.openfeature import recording

    synthetic.instrument("openfeature")
    with recording() as provider:
        with case.work():
            details = api.get_client().get_boolean_details("surge", False)
        if details.error_code:
            return "refused"
        return "simulated" if provider.told()["synthetic"] else "real"


HOPS = [Hop("OpenFeature flag", "openfeature", _flag)]
