# Every command makes its own .venv first: a machine needs Python 3.11 or later, git and make.
# A second call finds the stamp of the lock it installed and starts at once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# Where bytecode is forbidden, each of the hundred programs that tests start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help run test lint check bench lock clean

BIN := .venv/bin
PYTEST_ARGS ?=
# How many tests run at once; many start servers of their own, whose start takes the processors for itself.
WORKERS ?= 2
BENCH_ARGS ?=

# The first of these that runs and is new enough; `make PYTHON=/path/to/python` overrides it.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

help: ## Show the commands
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: .venv/run.stamp ## Start everything with simulated people; Ctrl-C ends it
	@exec $(BIN)/tipstream up --demo

test: .venv/compiled.stamp ## Run all tests (PYTEST_ARGS="tests/bus -x" for some)
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope $(PYTEST_ARGS)

# What cannot be collected is shown by the tests.
.venv/compiled.stamp: | .venv/dev.stamp
	@$(BIN)/python -m tests.compiled
	@$(BIN)/python -m pytest --numprocesses 0 --collect-only -qq >/dev/null 2>&1 || true
	@touch $@

lint: .venv/dev.stamp ## Check format, lint, types and import contracts
	@echo "ruff format"; $(BIN)/ruff format --quiet --check --output-format concise . || { echo "mend with: $(BIN)/ruff format ."; exit 1; }
	@echo "ruff check";  $(BIN)/ruff check --quiet .
	@echo "mypy";        $(BIN)/mypy --no-error-summary
	@echo "imports";     $(BIN)/lint-imports --no-logo

check: lint test ## Run lint and all tests: what has to be green before a commit

bench: .venv/bench.stamp ## Measure, each figure as a ratio (BENCH_ARGS for the runner)
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
		$(BIN)/python -m benchmarks $(BENCH_ARGS)

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links $(LOCK_ARGS) pyproject.toml --extra build --extra pipelines

lock: .venv/dev.stamp ## Pin the dependencies of pyproject.toml anew (LOCK_ARGS=--upgrade for newer ones)
	@$(UV_COMPILE) --output-file requirements/run.txt
	@$(UV_COMPILE) --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt
	@$(UV_COMPILE) --extra dev --extra bench --constraint requirements/dev.txt --output-file requirements/bench.txt
	@grep -A 1000 '^uv==' requirements/dev.txt | sed '1!{/^[a-z]/,$$d}' > requirements/uv.txt
	@git --no-pager diff --stat -- requirements

clean: ## Remove caches and build products; .venv and the data under HOME stay
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Tipstream needs Python 3.11 or later, and none is on the PATH." \
		"Install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { echo "$(PYTHON) cannot make a virtual environment;" \
		"on Debian and Ubuntu install python3-venv." >&2; rm -rf .venv; exit 1; }

# The lock of each purpose contains the one before it, so the stamps may come in any order. uv takes a fifth of pip's
# time for two hundred packages; where it cannot reach what pip is set up for, pip does it.
PIP = $(BIN)/python -m pip install -qq --disable-pip-version-check
.venv/%.stamp: requirements/%.txt pyproject.toml | .venv/bin/python
	@echo "installing requirements/$*.txt into .venv"
	@$(PIP) --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/$*.txt \
		|| $(PIP) --require-hashes -r requirements/$*.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
