"""``synthetic-traffic dial``: turn the dial of a run, show it, or hold a measurement by turning it."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from synthetic._config.readers import duration

__all__ = ["dial"]

_DAY = 24 * 3600


def dial(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from synthetic_locust import _dial as dials

    if options.hold is not None:
        if options.to is not None:
            raise ValueError(f"--hold decides on the number of users; leave out {options.to!r}")
        return _hold(options)
    if options.to is None:
        raise ValueError("say what to do: a number of users, stop or show; for example: dial rides.dial 40 --for 20m")
    if options.to == "show":
        return _show(options.file)
    if dials.is_url(options.file):
        raise ValueError(f"{options.file} is a URL, which a run only reads. Turn the dial where its document is made.")
    if Path(options.file).is_dir():
        raise ValueError(f"{options.file} is a folder; name the file that the run reads: dial in [drive.NAME]")
    if options.to == "stop":
        dials.write(Path(options.file), {"stop": True})
        print(f"{options.file}: stop")
        return 0
    return _turn(options)


def _turn(options: argparse.Namespace) -> int:
    from synthetic_locust import _dial as dials

    if not options.to.isdecimal():
        raise ValueError(f"{options.to!r} is neither a number of users, nor stop, nor show")
    if options.lease is None:
        raise ValueError("say for how long: --for 20m. When that time is over, nobody acts any more.")
    seconds = duration(options.lease, 1, _DAY)
    users, now = int(options.to), time.time()
    document: dict[str, float] = {"users": users, "until": round(now + seconds, 1), "written": round(now, 1)}
    if options.rate is not None:
        document["rate"] = options.rate
    dials.parse(json.dumps(document), time.time())  # what no run could read is not written
    dials.write(Path(options.file), document)
    print(f"{options.file}: {users} users until {_clock(document['until'])}")
    return 0


def _show(file: str) -> int:
    from synthetic_locust import _dial as dials

    now = time.time()
    try:
        setting = dials.read(file, now)
    except ValueError as error:
        print(f"{error}; nobody acts")
        return 1
    if setting.is_stop:
        print("stop")
    elif now < setting.until:
        left = setting.until - now
        print(f"{setting.users} users, {setting.rate:g} more each second, until {_clock(setting.until)} ({left:.0f} s)")
    else:
        print(f"nobody: {setting.users} users were set until {_clock(setting.until)}, {now - setting.until:.0f} s ago")
    return 0


def _hold(options: argparse.Namespace) -> int:
    from synthetic_locust import _dial as dials
    from synthetic_locust._hold import hold

    if dials.is_url(options.file):
        raise ValueError(f"{options.file} is a URL, which a run only reads. Turn the dial where its document is made.")

    for name, value in (("--below", options.below), ("--prometheus", options.prometheus), ("--most", options.most)):
        if value is None:
            raise ValueError(
                f"--hold needs {name}; for example: dial rides.dial --hold 'QUERY' --below 0.4 --most 200 "
                "--prometheus http://prometheus:9090"
            )
    if options.most < 1:
        raise ValueError("--most is the number of users that the dial may go up to; for example: --most 200")
    return hold(Path(options.file), options.hold, options.below, options.prometheus, options.most)


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
