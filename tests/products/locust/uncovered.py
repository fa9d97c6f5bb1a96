"""A Locust file with users of a database, whose client carries no marker."""

from __future__ import annotations

import sys
import types

from locust import User, constant, task

# As Locust's own class is made, whose client need not be installed here.
_module = types.ModuleType("locust.contrib.postgres")
exec("from locust import User\nclass PostgresUser(User):\n    abstract = True", vars(_module))
sys.modules["locust.contrib.postgres"] = _module

PostgresUser: type[User] = vars(_module)["PostgresUser"]


class Database(PostgresUser):  # type: ignore[misc, valid-type]
    wait_time = constant(0.1)

    @task
    def query(self) -> None:
        pass
