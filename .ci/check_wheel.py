"""Check that a wheel holds what it should: python .ci/check_wheel.py WHEEL, in the project's folder."""

import sys
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile


def problems(wheel: Path, project: Path) -> list[str]:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata_file,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(metadata_file).decode())
        points = ConfigParser(delimiters="=")
        points.read_string(archive.read(metadata_file.replace("METADATA", "entry_points.txt")).decode())
    extras = metadata.get_all("Provides-Extra", [])
    folders = (path.name.removeprefix("synthetic_") for path in project.glob("integrations/synthetic_*"))
    products = sorted(name for name in folders if not name.endswith("_shared"))  # those are parts of two others

    found = [f"{name}: does not start with synthetic" for name in names if not name.startswith("synthetic")]
    packages = ["synthetic", *(f"synthetic_{product}" for product in products)]
    found += [f"{package}/py.typed: missing" for package in packages if f"{package}/py.typed" not in names]
    for product in products:
        module = f"synthetic_{product}:"
        # One package may have the integrations of several libraries.
        names = [name for name, where in points["synthetic.integrations"].items() if where.startswith(module)]
        names = names or [product.replace("_", "-")]
        found += [f"{name}: no extra of this name" for name in names if name not in extras]
        tests = (f"tests/integrations/{product}/test_*.py", f"tests/integrations/**/test_{product}.py")
        for patterns in (tests, (f"docs/integrations/{product}.md",)):
            if not any(True for pattern in patterns for _ in project.glob(pattern)):
                found.append(f"{' or '.join(patterns)}: missing")
    if not products:
        found.append("integrations/synthetic_*: there are none")
    return found


if __name__ == "__main__":
    wheel = Path(sys.argv[1])
    found = problems(wheel, Path.cwd())
    print(*(found or [f"{wheel.name}: all is there"]), sep="\n")
    sys.exit(bool(found))
