PYTHON ?= python3
ARGS ?=

export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# Hundreds of tests start a Python of their own: without this, each compiles the sources anew.
unexport PYTHONDONTWRITEBYTECODE

python := .venv/bin/python
packages := synthetic $(filter-out %_shared,$(notdir $(wildcard integrations/synthetic_*)))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo demo-staging demo-load test check bench soak docs clean

help:  ## List these commands
	@echo "Usage: make COMMAND [ARGS=\"...\"] [PYTHON=python3.12]"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /\1  /p' Makefile | while read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

demo: .venv/.installed-demo  ## Run a small company with real and simulated riders; ARGS="--help" lists the options
	@$(python) docs/examples/rides $(ARGS)

demo-staging: .venv/.installed-demo  ## Deploy a broken release while simulated riders are there, and see it noticed
	@$(python) docs/examples/drive/staging.py $(ARGS)

demo-load: .venv/.installed-demo  ## Turn up a load test beside real riders, without shedding and with it; writes load.svg
	@$(python) docs/examples/drive/load.py $(ARGS)

test: .venv/.installed-test  ## Run the tests but the long ones; ARGS="-m long --long" runs those, ARGS="-k policy" some
	@$(python) -m pytest -n auto --dist worksteal -m "not long" $(ARGS)

check: .venv/.installed-check  ## Check style, format, imports and types
	$(python) -m ruff check
	$(python) -m ruff format --check
	@# Layers, independence within a layer, and integrations that import only what is public.
	.venv/bin/lint-imports --no-logo
	$(python) -m mypy
	$(python) -m pyright
	@# --verifytypes looks for packages with the first python3 on the path, and for nothing else.
	@set -e; export PATH="$(CURDIR)/.venv/bin:$$PATH"; for package in $(packages); do \
		echo "pyright --verifytypes $$package --ignoreexternal"; \
		python -m pyright --verifytypes $$package --ignoreexternal > .venv/verifytypes \
			|| { cat .venv/verifytypes; exit 1; }; \
		grep "completeness score" .venv/verifytypes; \
	done

bench: .venv/.installed-bench  ## Run the benchmarks
	@$(python) -m tests.benchmarks $(ARGS)

soak: .venv/.installed-test  ## Keep a run with workers going for hours while things break; ARGS="--help" lists the options
	@$(python) -m tests.soak $(ARGS)

docs: .venv/.installed-docs  ## Build the documentation into site/
	@$(python) -m zensical build --strict --clean $(ARGS)

clean:  ## Remove the virtual environment and whatever was built
	rm -rf .venv dist site .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find synthetic integrations tests docs -name __pycache__ -prune -exec rm -rf {} +

# One virtual environment for all; each command adds what it needs, once.

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "$(PYTHON) is not Python 3.10 or later. Name one that is: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) comes without venv or pip. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Creating .venv ..."
	@$(PYTHON) -m venv .venv
	@$(python) -m pip install -qq --disable-pip-version-check "pip>=25.1"  # the first that knows --group
	@touch $@

.venv/.installed-%: .venv/.made pyproject.toml constraints.txt
	@echo "Installing what \"make $*\" needs into .venv (only this once) ..."
	@$(python) -m pip install -qq --disable-pip-version-check -e ".[eddsa]" --group $* -c constraints.txt
	@touch $@
