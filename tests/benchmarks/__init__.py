"""How long things take, against what users run today: ``python -m tests.benchmarks``."""
