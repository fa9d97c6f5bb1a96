"""A monkey-patched program that sends the cases of the matrix over one hop: python -m tests.matrix.monkey_patched

Its arguments are gevent or eventlet, and the hop. It reads cases with their keys, and prints the outcome of each.
"""

import sys

if __name__ == "__main__":
    # Before anything else is imported.
    if sys.argv[1] == "gevent":
        from gevent import monkey

        monkey.patch_all()
    else:
        import eventlet

        eventlet.monkey_patch()

import importlib
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import synthetic
from tests.matrix.cases import Case, seen
from tests.support.servers import environment


@contextmanager
def program(product: str, hop: str) -> Iterator[Callable[[Case], str]]:
    """Run the program; gives a function that sends one case with it."""
    command = [sys.executable, "-m", __name__, product, hop]
    variables = {**environment(), "EVENTLET_TESTS": "1"}  # or eventlet warns
    with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        sending, answers = process.stdin, process.stdout

        def pass_on(case: Case) -> str:
            sending.write(json.dumps([case.name, case.keys]) + "\n")
            sending.flush()
            return answers.readline().strip()

        yield pass_on
        sending.close()


def main(product: str, name: str) -> None:
    hop = importlib.import_module(f"tests.products.{product}").PATCHED[name]
    synthetic.instrument(product)
    for line in iter(sys.stdin.readline, ""):
        case = Case(*json.loads(line))
        with synthetic.configured(keys=case.keys), case.work():
            print(hop(seen), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
