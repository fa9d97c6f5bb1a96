"""What the type checkers infer: each file passes mypy and pyright in strict mode, and runs."""
