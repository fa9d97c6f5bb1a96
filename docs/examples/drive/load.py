"""A load test beside real riders: first against a service that sheds nothing, then against one with shed="auto".

Run it with ``make demo-load``, or ``python docs/examples/drive/load.py --help``.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "rides"))

try:
    from rich.console import Console
    from rich.table import Table

    import dial
    import groundwork
    import options
    from chart import chart
    from live import Display, ms
    from measured import WINDOW, Point, Run, percentile
    from scene import Scene

    if find_spec("locust") is None:
        raise ModuleNotFoundError(name="locust")
except ModuleNotFoundError as error:
    sys.exit(
        f"load: there is no module {error.name!r}. 'make demo-load' installs what the demo needs; by hand it is: "
        "pip install -e '.[eddsa]' aiosmtpd locust rich uvicorn waitress"
    )

EXAMPLES = """\
examples:
  make demo-load
  make demo-load ARGS="--seconds 60 --out my-load.svg"
  python docs/examples/drive/load.py --users 400

Exit codes: 0 measured, 1 a process has failed, 2 wrong arguments, 130 interrupted.
"""
STEP_SECONDS = 0.25
END_SECONDS = 30


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="load",
        description="A dial that goes up and down, twice: what real riders feel without shedding, and with it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    seconds, users = options.number(float, 5, 600), options.number(int, 1, 500)
    parser.add_argument(
        "--seconds", type=seconds, default=30, metavar="N", help="how long each run is, 5 to 600 (default: 30)"
    )
    parser.add_argument(
        "--users", type=users, default=200, metavar="N", help="simulated users at the top, 1 to 500 (default: 200)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("load.svg"), metavar="FILE", help="the picture (default: load.svg)"
    )
    chosen = parser.parse_args()
    if not chosen.out.absolute().parent.is_dir():
        parser.error(f"argument --out: there is no folder {str(chosen.out.parent)!r}")
    return chosen


def measure(folder: Path, chosen: argparse.Namespace) -> int:
    console = Console()
    runs = [Run("no shedding", None), Run('shed="auto"', "auto")]
    with Scene(folder) as scene, Display(console, runs) as display:
        display.note("Starting a service, real riders, a master and two workers ...")
        scene.deploy(None)
        scene.open()
        scene.wait_for_workers()
        for run in runs:
            scene.deploy(run.shed)
            time.sleep(WINDOW)  # what the deployment has cost is not measured
            drive(scene, run, chosen.seconds, chosen.users, display)
        code = scene.finish(END_SECONDS)
    chosen.out.write_text(chart(runs, chosen.seconds, chosen.users), encoding="utf-8")
    console.print(results(runs))
    console.print(
        f"The run has ended with exit code {code}. The picture is {chosen.out}.", highlight=False, soft_wrap=True
    )
    return 0 if code == 0 else 1


def drive(scene: Scene, run: Run, seconds: float, users: int, display: Display) -> None:
    """Turn the dial up and down once, and measure."""
    scene.real.new()
    begin = due = time.monotonic()
    while (second := time.monotonic() - begin) < seconds:
        scene.check()
        now = round(users * dial.share_at(second / seconds))
        dial.turn(scene.dial, now)
        for said in scene.real.new():
            run.failed += said["failed"]
            if second < dial.CURVE[1][0] * seconds:
                run.quiet += said["ms"]
            elif now >= users / 2:
                run.loaded += said["ms"]
        times = [one for _, said in scene.real.within(min(WINDOW, second)) for one in said["ms"]]
        simulated = scene.simulated
        rates = simulated.rate("simulated"), simulated.rate("later")
        run.points.append(Point(second, now, percentile(times, 0.5), percentile(times, 0.99), *rates))
        display.show(run, run.points[-1])
        due += STEP_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))


def results(runs: list[Run]) -> Table:
    table = Table(title="Real requests, and simulated ones, with half of the users or more")
    for name in ("", "real p50", "real p99", "real failed", "answered", "shed"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    quiet = [time for run in runs for time in run.quiet]
    table.add_row("no simulated users", ms(percentile(quiet, 0.5)), ms(percentile(quiet, 0.99)), "", "", "")
    for run in runs:
        top = [point for point in run.points if point.users >= max(point.users for point in run.points) / 2]
        answered, shed = (sum(rates) / len(top) for rates in zip(*((p.answered, p.shed) for p in top), strict=True))
        times = ms(percentile(run.loaded, 0.5)), ms(percentile(run.loaded, 0.99))
        table.add_row(run.name, *times, f"{run.failed}", f"{answered:.0f}/s", f"{shed:.0f}/s")
    return table


if __name__ == "__main__":
    chosen = parse()
    sys.exit(groundwork.main("load", lambda folder: measure(folder, chosen)))
