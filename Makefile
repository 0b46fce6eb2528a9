# Every target sets up .venv by itself; only python3 (3.11 to 3.13) is needed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
READY_DEV := .venv/ready-dev

.PHONY: run test long quick check format docs constraints clean help
.DEFAULT_GOAL := help

help: ## say what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

define create-venv
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(0 if ok else "Wheeltapper needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0] + ". Say which to use: make PYTHON=python3.11 ...")'
	@echo "Setting up .venv (a few minutes, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
endef
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt

# What the product needs; the tools of its developers come with the first target that uses them.
$(READY): pyproject.toml constraints.txt
	$(create-venv)
	@$(INSTALL) --editable .
	@touch $(READY)

$(READY_DEV): pyproject.toml constraints.txt
	$(create-venv)
	@$(INSTALL) --editable '.[dev]'
	@touch $(READY) $(READY_DEV)

run: $(READY) ## the main job on the built-in pump station
	@$(BIN)/wheeltapper run pump_station

# One file's tests stay in one process, for they share what they start; the longest folders come first. Compiled modules
# are kept even where the environment says otherwise, as hundreds of processes import them.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder
# One process more than the machine has cores: tests of flows wait for servers.
JOBS ?= $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
# Tests of the mqtt source start Debian's mosquitto (apt-get install mosquitto); where it is not installed, they are skipped.
FOLDERS := tests/flows tests/contracts tests/unit tests/reference_systems tests/docs
test: $(READY_DEV) ## the tests, without those that take half a minute or more each
	@$(PYTEST) -n $(JOBS) -m 'not long' $(FOLDERS)

long: $(READY_DEV) ## the tests that take longer: kills by the dozen, a month of retrains, large tables, the README's run
	@$(PYTEST) -n $(JOBS) -m long $(FOLDERS)

quick: $(READY_DEV) ## the tests that start no server, train no network and take less than two seconds each
	@$(PYTEST) -n auto --maxprocesses 4 -m 'not slow and not long' $(FOLDERS)

check: $(READY_DEV) ## style, types, direction of imports, generated documents
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/generate.py --check

format: $(READY_DEV) ## put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(READY_DEV) ## write the generated parts of README and docs again
	@$(BIN)/python docs/generate.py

# On the oldest Python, as the newest versions for it have wheels for the others; then what only the newest one needs.
OLDEST ?= python3.11
NEWEST ?= python3.13
constraints: ## resolve every version again (names and versions only)
	@: > constraints.new
	@set -e; for resolve in '$(OLDEST) dev,benchmarks' '$(NEWEST) dev'; do \
		rm -rf .venv-resolve; $${resolve% *} -m venv .venv-resolve; \
		.venv-resolve/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.new \
			--upgrade setuptools wheel ".[$${resolve#* }]"; \
		.venv-resolve/bin/python -m pip freeze --all --exclude pip --exclude wheeltapper | grep -E '^[A-Za-z0-9_.-]+==' >> constraints.new; \
	done
	@LC_ALL=C sort -f -u constraints.new > constraints.txt
	@rm -rf .venv-resolve constraints.new

clean: ## remove what was made: .venv, caches, .wheeltapper
	@rm -rf .venv .venv-resolve constraints.new .wheeltapper .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
