"""Runs a command that ends with the demo: ``python attached.py COMMAND ...``.

``synthetic-traffic run`` ends by a signal. This sends one when standard input closes, also if the demo was killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "rides"))

import serving

PATIENCE = 3
"""Seconds that the command may take to end by itself."""


def main() -> None:
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def end() -> None:
        command.terminate()
        try:
            command.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            command.kill()

    serving.when_the_demo_ends(end)
    code = command.wait()
    os._exit(code if code >= 0 else 128 - code)  # a thread that reads from standard input holds up a regular end


if __name__ == "__main__":
    main()
