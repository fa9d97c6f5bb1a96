"""Import one integration in a new interpreter: python import_alone.py NAME with|without (its product)."""

import sys
from importlib import import_module


def main(name: str, product: str) -> int:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if product == "without" and not missing.startswith("synthetic"):
            print(f"import {name}: {missing} is not installed")
            return 0
        raise
    print(f"import {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
