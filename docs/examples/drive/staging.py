"""A broken deployment in staging, noticed within seconds by simulated riders and drivers who are always there.

Run it with ``make demo-staging``, or ``python docs/examples/drive/staging.py --help``.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
RIDES = HERE.parent / "rides"
sys.path.append(str(RIDES))

try:
    from rich.console import Console

    import groundwork
    import options
    from company import Staging
    from report import read_sinks
    from story import Story, tell, verdict
    from webhook import Webhook

    if find_spec("locust") is None:
        raise ModuleNotFoundError(name="locust")
except ModuleNotFoundError as error:
    sys.exit(
        f"staging: there is no module {error.name!r}. 'make demo-staging' installs what the demo needs; by hand it is: "
        "pip install -e '.[eddsa]' aiosmtpd locust rich uvicorn waitress"
    )

EXAMPLES = """\
examples:
  make demo-staging
  make demo-staging ARGS="--calm 15"
  python docs/examples/drive/staging.py --patience 60

Exit codes: 0 all was noticed, 1 something was not or a service failed, 2 wrong arguments, 130 interrupted.
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="staging",
        description="Simulated riders all day, and three deployments: one broken, its repair, one without middleware.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    calm, patience = options.number(float, 0, 600), options.number(float, 0.1, 600)
    parser.add_argument(
        "--calm", type=calm, default=10, metavar="N", help="seconds before each incident, 0 to 600 (default: 10)"
    )
    parser.add_argument(
        "--patience", type=patience, default=20, metavar="N", help="seconds to notice one, 0.1 to 600 (default: 20)"
    )
    return parser.parse_args()


def run(folder: Path, chosen: argparse.Namespace) -> int:
    console = Console()
    services = folder / "services"
    with Staging(services) as company, Webhook() as webhook:
        company.open()
        settings = groundwork.target(folder, HERE / "staging.toml", host=company.rides, webhook=webhook.url)
        actors = groundwork.start_run("run", folder, HERE / "riders.py", settings, "--target", "staging")
        try:
            story = Story(company, actors, webhook, console, chosen.calm, chosen.patience)
            tell(story, RIDES, HERE / "releases.py")
        finally:
            actors.stop()
    return verdict(story.missed, read_sinks(services), console)


if __name__ == "__main__":
    chosen = parse()
    sys.exit(groundwork.main("staging", lambda folder: run(folder, chosen)))
