"""The inferred types. Each file passes mypy and pyright in strict mode, and runs."""
