"""A small ride-hailing company with real and simulated riders at the same time, and a table of what reached its books.

Run it with ``make demo``, or ``python docs/examples/rides --help``.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random

HERE = Path(__file__).parent

try:
    from rich.console import Console

    import keys
    import options
    import synthetic
    from actors import World
    from attacks import Attack, Attacker, bad_markers, undeclared_call
    from progress import show
    from report import Refusals, Rides, read_sinks, report
    from services import Company, ServiceFailed
except ModuleNotFoundError as error:
    sys.exit(
        f"rides: there is no module {error.name!r}. 'make demo' installs what the demo needs; by hand it is: "
        "pip install -e '.[eddsa]' aiosmtpd rich uvicorn waitress"
    )

GRACE_SECONDS = 60
"""How long rides that are under way at the end may take."""


def main() -> int:
    chosen = options.parse()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: sys.exit(128 + number))
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="rides-", ignore_cleanup_errors=True) as folder:
            return run(Path(folder), chosen, console)
    except ServiceFailed as error:
        print(f"rides: {error}", file=sys.stderr)
        return 1
    except synthetic.errors.ConfigurationError as error:
        print(f"rides: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("rides: interrupted", file=sys.stderr)
        return 130


def run(folder: Path, chosen: options.Options, console: Console) -> int:
    attacks = prepare(folder, chosen.policy)
    run_name = f"demo-{chosen.seed}"
    with Company(folder / "services") as company:
        company.open()
        real = World(company.rides, run=None, riders=chosen.riders, random=Random(f"real {chosen.seed}"))
        simulated = World(company.rides, run=run_name, riders=chosen.riders, random=Random(f"simulated {chosen.seed}"))
        attacker = Attacker(
            company.rides, company.payments, attacks, run=run_name, random=Random(f"attacker {chosen.seed}")
        )
        act(company, real, simulated, attacker, chosen.seconds, console)
    return report(
        Rides(real.asked, real.completed, real.strangers, real.failures),
        Rides(simulated.asked, simulated.completed, simulated.strangers, simulated.failures),
        [Refusals(attack.name, attack.sent, attack.refused, attack.surprises) for attack in attacks],
        read_sinks(folder / "services"),
        console,
    )


def prepare(folder: Path, policy: Path) -> list[Attack]:
    """Fill ``folder`` with the keys and settings, configure this process, and make the bad markers."""
    services = folder / "services"
    services.mkdir()
    demo, staging = keys.new_key("demo-1"), keys.new_key("staging-1")
    keys.write(folder / "private.jwks", demo)
    keys.write(services / "public.jwks", keys.public_half(staging), keys.public_half(demo))
    shutil.copy(HERE / "synthetic.toml", services)
    for name in [name for name in os.environ if name.startswith("SYNTHETIC_")]:
        del os.environ[name]
    os.environ["SYNTHETIC_CONFIG"] = str(services / "synthetic.toml")
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1"
    # Only this process can sign: the services hold public keys.
    synthetic.configure(service="driver", keys=folder / "private.jwks", policy=policy.absolute())
    synthetic.instrument("requests")
    shutil.copy(policy, services / "policy.toml")
    return [*bad_markers(demo, staging), undeclared_call()]


def act(company: Company, real: World, simulated: World, attacker: Attacker, seconds: float, console: Console) -> None:
    """Let everybody act for ``seconds``, and show it. Raises ServiceFailed as soon as a service has died."""
    begin = time.monotonic()
    everybody = (real, simulated, attacker)
    for actors in everybody:
        actors.open(begin + seconds)

    def is_busy() -> bool:
        company.check()
        if time.monotonic() > begin + seconds + GRACE_SECONDS:
            raise ServiceFailed(f"the last rides did not end within {GRACE_SECONDS} seconds")
        return any(actors.is_busy for actors in everybody)

    def counts() -> str:
        refused = sum(len(attack.refused) for attack in attacker.attacks)
        return (
            f"{len(real.completed)} real rides, {len(simulated.completed)} simulated rides, "
            f"{refused} bad markers and calls refused"
        )

    show(console, begin, seconds, counts, is_busy)


if __name__ == "__main__":
    sys.exit(main())
