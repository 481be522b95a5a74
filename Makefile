# Every task of the project is a target here. `make` lists them; each sets up what it needs: Python 3.11, venv and make suffice.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

BIN := .venv/bin
# Every requirement is pinned with its hashes, dependencies included: pip has nothing to resolve, and no newer release can change what it installs.
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --no-deps
MONGOD := .venv/lib/python3.11/site-packages/fiftyone/db/bin/mongod
PYTEST := $(BIN)/python -m pytest --dist worksteal
# Two cores are the smallest machine that we test on; the servers under test need their share too. With a third worker, tests that cut
# servers off, freeze and starve them ran out of time now and then; the fast ones do not mind.
WORKERS := 2
QUICK_WORKERS := 3
EXPLORER := gql/explorer
CLIENTS := tests/clients
EXPLORER_SOURCES := $(shell find $(EXPLORER) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/__pycache__/*' -not -name '*.py')
# npm of the machine or, where it has none that Vite can use, of the wheel that `make` puts into .venv.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q $(ARGS)

# Installs Debian packages, where that is ours to do; elsewhere says what to install.
define debian
{ echo "Installing $(1)"; \
  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
  then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >/dev/null; \
  else echo "Not root on a Debian: please install $(1) (on Debian: apt-get install $(1)), then run make again." >&2; exit 1; fi; }
endef

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: .venv/.runtime $(EXPLORER)/dist/.built ## start Tillstream with its own MongoDB and S3 on http://127.0.0.1:8000 (Ctrl-C ends all)
	@exec $(BIN)/tillstream dev $(ARGS)

# Hypothesis then tries the same examples every time, so that what fails there fails at home; the others explore.
test: export CI := true
.PHONY: test
test: check chromium $(EXPLORER)/dist/.built $(CLIENTS)/node_modules/.installed ## check, then run all tests with branch coverage (23 minutes on two cores; meant to take 12)
	@mkdir -p build/coverage
	$(PYTEST) -n $(WORKERS) --cov --cov-report=term $(ARGS)

.PHONY: quick
quick: .venv/.development $(EXPLORER)/dist/.built ## the fast tests only: no browser, npm clients, faults or soak (five minutes on two cores; meant to take 2)
	$(PYTEST) -n $(QUICK_WORKERS) -m "not (browser or clients or faults or soak or slow)" $(ARGS)

.PHONY: check
check: .venv/.development ## lint, format, types, layers, and schema.graphql in step
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/tillstream schema | diff -u schema.graphql - || { echo "schema.graphql is behind the code: run make schema" >&2; exit 1; }

.PHONY: format
format: .venv/.development ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: schema
schema: .venv/.runtime ## write schema.graphql from the code
	@mkdir -p build
	$(BIN)/tillstream schema > build/schema.graphql
	mv build/schema.graphql schema.graphql

.PHONY: bench
bench: .venv/.development ## print the benchmarks, each figure beside its baseline
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-live
bench-live: .venv/.development ## print what the live engine promises in numbers (about 3 minutes; ARGS=fan-out for one)
	$(BIN)/python -m bench.live $(ARGS)

.PHONY: bench-business
bench-business: .venv/.development ## print what much trade costs (half an hour; ARGS="tills sums" for a part, ARGS="--sales 100000" for less)
	$(BIN)/python -m bench.business $(ARGS)

.PHONY: bench-security
bench-security: .venv/.development ## print what a flood of sign-ins costs who is signed in (half a minute)
	$(BIN)/python -m bench.sign_in_flood

.PHONY: bench-jobs
bench-jobs: .venv/.development ## print how fast and how safely jobs are carried out (about 10 minutes; ARGS=latency for a part, ARGS="--jobs 1000" for less)
	$(BIN)/python -m bench.jobs $(ARGS)

SEED := 1
MINUTES := 2
.PHONY: soak
soak: .venv/.development ## random load and faults for MINUTES=2 with SEED=1: every live result must stay exact
	$(BIN)/python -m bench.soak --seed $(SEED) --minutes $(MINUTES)

.PHONY: explorer
explorer: $(EXPLORER)/dist/.built ## build GraphiQL, served at /

.PHONY: lock
lock: .venv/.development ## pin requirements*.txt to pyproject.toml (ARGS=--upgrade takes newer versions)
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	$(LOCK) --group build -c requirements-dev.txt -o requirements-build.txt
	$(LOCK) --group node -o requirements-node.txt

.PHONY: clean
clean: ## remove what make made; the data in .tillstream stays
	rm -rf .venv build dist .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf $(EXPLORER)/dist $(EXPLORER)/node_modules $(CLIENTS)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- What the targets stand on ---------------------------------------------------------------------------------------------

# A python3.11 may be there by name and not start (a version manager's shim), so each is asked for its version.
.venv/bin/python:
	@python=; for name in python3.11 python3 python; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then python=$$name; break; fi; done; \
	[ -n "$$python" ] || { echo "Tillstream needs Python 3.11, and there is no python3.11 (or python3 of that version) on the PATH." >&2; exit 1; }; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || $(call debian,python3.11-venv); \
	"$$python" -m venv .venv

.venv/.runtime: pyproject.toml requirements.txt requirements-build.txt | .venv/bin/python
	@echo "Installing Python packages"
	@$(PIP) --require-hashes -r requirements.txt -r requirements-build.txt
	@$(PIP) --no-build-isolation -e .
	@if [ -x $(MONGOD) ] && ldd $(MONGOD) | grep 'not found' >/dev/null; then $(call debian,libcurl4); fi
	@touch $@

.venv/.development: requirements-dev.txt .venv/.runtime
	@echo "Installing development tools"
	@$(PIP) --require-hashes -r requirements-dev.txt
	@touch $@

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || $(call debian,chromium)

# Vite 8 asks for Node.js 20.19, or 22.12 and later.
.venv/.node: requirements-node.txt | .venv/bin/python
	@command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)' \
	  || { echo "Installing Node.js"; $(PIP) --require-hashes -r requirements-node.txt; }
	@touch $@

$(EXPLORER)/node_modules/.installed: $(EXPLORER)/package.json $(EXPLORER)/package-lock.json .venv/.node
	@echo "Installing the explorer's packages"
	@cd $(EXPLORER) && $(NPM) ci --include=dev --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(CLIENTS)/node_modules/.installed: $(CLIENTS)/package.json $(CLIENTS)/package-lock.json .venv/.node
	@echo "Installing the clients that the tests run"
	@cd $(CLIENTS) && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(EXPLORER)/dist/.built: $(EXPLORER)/node_modules/.installed $(EXPLORER_SOURCES)
	@echo "Building the explorer"
	@cd $(EXPLORER) && $(NPM) run --silent build -- --logLevel=warn
	@touch $@
