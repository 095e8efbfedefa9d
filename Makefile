# `make` alone lists what there is. Everything works on a fresh machine with Python 3.11, pip and make.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 3

.DEFAULT_GOAL := help
SEEDS ?= 20
SEED ?= 1
.PHONY: help setup demo up down test check docs bench bench-binary chaos binary binary-baseline reproducible packages lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

setup: $(READY) ## make the virtual environment, with locked and hashed versions

# uv comes from its own small lock file, then installs the rest: seconds instead of minutes.
$(READY): requirements/dev.txt requirements/uv.txt sdk/python/pyproject.toml api/pyproject.toml edge_agent/pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --python $(BIN)/python -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python -e sdk/python -e api -e edge_agent
	@touch $@

demo: $(READY) ## the main job: an API, two sites, two agents, one DAG; ends by itself
	@$(BIN)/python examples/demo.py

up: $(READY) ## like demo, but leaves everything running
	@$(BIN)/python examples/demo.py --up

down: $(READY) ## stop what `make up` left running
	@$(BIN)/python examples/demo.py --down

test: $(READY) ## all tests, real PostgreSQL and real processes included
	$(BIN)/pytest -n $(WORKERS) --dist loadscope

check: $(READY) ## ruff, mypy, pyright, import contracts; documents that are made from the code are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy sdk/python api edge_agent
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python docs/make_reference.py --check

docs: $(READY) ## make the documents that are made from the code
	$(BIN)/python docs/make_reference.py

bench: $(READY) ## measure, and print each figure beside the floor of the same run
	@$(BIN)/python -m benchmarks

bench-binary: $(READY) ## measure the binary and its packages, each figure beside its limit
	@$(BIN)/python -m benchmarks.binary

chaos: $(READY) ## break everything at random, SEEDS times, beginning with SEED; prove that nothing is lost or doubled
	@$(BIN)/python -m tests.system.lab --seeds $(SEEDS) --seed $(SEED)

binary: $(READY) ## build the agent as a binary that needs no Python: dist/edge-agent
	@$(BIN)/python packaging/build.py --if-changed

packages: binary ## make what sites install, in dist/packages: a single file, tar, deb, rpm, SBOM, sums
	@$(BIN)/python packaging/make_packages.py

reproducible: $(READY) ## build the binary twice, and say which files differ
	@$(BIN)/python packaging/compare.py

binary-baseline: $(READY) ## build it in a Debian 11 root, for sites with an old glibc (as root; takes minutes)
	@sh packaging/baseline/build.sh

lock: $(READY) ## resolve and lock the versions of everything again
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 requirements/dev.in -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 requirements/uv.in -o requirements/uv.txt

clean: ## remove what the targets above made
	rm -rf $(VENV) build dist .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
