# Reactor from a checkout. Nothing but python3 has to be there: `make help` lists what can be done.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
STAMP := $(VENV)/.ready
LOCKS := requirements/bootstrap.txt requirements/runtime.txt requirements/dev.txt
PORT ?= 5000
ARGS ?=

# The interpreter is the one that is here: never fetch another; no pre-releases but those that pyproject.toml names.
export UV_PYTHON_DOWNLOADS := never
export UV_PRERELEASE := explicit
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
UV := $(BIN)/uv --quiet
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock" $(ARGS)

.PHONY: help
help: ## Show this list
	@printf 'Usage: make TARGET [ARGS="…"]\n\n'
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' \
		| while IFS=$$'\t' read -r name text; do printf '  %-10s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: $(STAMP) ## Install everything the other targets need into .venv
	@:

# The locked packages, and apart from them Reactor itself, so that a change of pyproject.toml alone takes a moment.
$(LOCKED): $(LOCKS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Reactor needs Python 3.11 or newer; name one with: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) \
		|| { echo "python3 cannot make virtual environments here; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(UV) pip sync --require-hashes --compile-bytecode requirements/runtime.txt requirements/dev.txt
	@touch $@

$(STAMP): pyproject.toml hatch_build.py proto/reactor/plugin/v1/plugin.proto $(LOCKED)
	@$(UV) pip install --no-deps --no-build-isolation --editable .
	@touch $@

# The control room. Where there is no Node, PyPI's wheel brings one.
UI := src/reactor/server/ui/index.html
NODE_MODULES := ui/node_modules/.package-lock.json
UI_SOURCES := $(shell find ui/src ui/public -type f ! -name openapi.json ! -name schema.d.ts 2>/dev/null) \
	ui/index.html ui/vite.config.ts ui/tsconfig.json
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix ui --silent

.PHONY: ui
ui: $(UI) ## Build the control room into the package
	@:

$(NODE_MODULES): ui/package.json ui/package-lock.json | $(STAMP)
	@command -v npm >/dev/null || [ -x $(BIN)/npm ] || $(UV) pip install --require-hashes -r requirements/node.txt
	@$(NPM) ci --no-audit --no-fund
	@touch $@

ui/src/api/schema.d.ts: $(wildcard src/reactor/server/*.py) scripts/openapi.py $(NODE_MODULES)
	@$(BIN)/python scripts/openapi.py > ui/src/api/openapi.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" ui/node_modules/.bin/openapi-typescript --enum=false ui/src/api/openapi.json -o $@ >/dev/null
	@touch $@

$(UI): ui/src/api/schema.d.ts $(UI_SOURCES)
	@$(NPM) run build >/dev/null
	@touch $@

.PHONY: ui-check
ui-check: ui/src/api/schema.d.ts ## Lint and types of the control room, and its unit tests
	@$(NPM) run check
	@$(NPM) run test

.PHONY: run
run: setup ui ## Start Reactor with the example flows on http://127.0.0.1:5000
	@EXAMPLES_URL=http://127.0.0.1:$(PORT) exec $(BIN)/reactor run examples --config examples/reactor.toml --port $(PORT) $(ARGS)

.PHONY: test
test: setup ui ## Run all tests (ARGS="-k word" for some); missing servers are skipped by name
	@$(BIN)/pytest -n 2 --dist loadgroup tests $(ARGS)

.PHONY: crash
crash: setup ## Run only the tests that kill processes
	@$(BIN)/pytest -n 0 -m crash tests/crash $(ARGS)

.PHONY: check
check: setup ui-check ## Lint, format, types, layers and the repository's own checks (< 60 s)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@for script in scripts/check_*.py; do if [ -f "$$script" ]; then echo "$$script"; $(BIN)/python "$$script"; fi; done

.PHONY: fix
fix: setup ## Format, and mend what the linter can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: docs
docs: setup ## Write the generated parts of docs/ again
	@$(BIN)/python scripts/reference.py

.PHONY: report
report: setup ## Report dead code and undeclared dependencies (never fails)
	@$(BIN)/vulture || true
	@$(BIN)/deptry . || true

.PHONY: bench
bench: setup ## Measure (see bench/)
	@$(BIN)/python -m bench $(ARGS)

.PHONY: build
build: setup ui ## Build the wheel into dist/
	@$(BIN)/hatchling build --target wheel

.PHONY: services
services: ## Install the server programs that tests use (Debian, needs root or sudo)
	@command -v apt-get >/dev/null || { echo "make services knows Debian only; install by hand: $(SERVICES)" >&2; exit 1; }
	@if [ "$$(id -u)" = 0 ]; then SUDO=; else SUDO=sudo; fi; \
		$$SUDO apt-get update -qq; \
		$$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SERVICES)

SERVICES := python3-venv chromium postgresql mariadb-server redis-server dovecot-imapd default-jre-headless maven mosquitto nats-server prometheus ruby ruby-grpc ruby-grpc-tools wrk

.PHONY: lock
lock: $(BIN)/uv ## Resolve requirements/*.txt again (ARGS="--upgrade" for newer versions)
	@$(COMPILE) pyproject.toml --all-extras --output-file requirements/runtime.txt
	@$(COMPILE) requirements/dev.in --constraints requirements/runtime.txt --output-file requirements/dev.txt
	@$(COMPILE) requirements/bootstrap.in --output-file requirements/bootstrap.txt
	@$(COMPILE) requirements/node.in --output-file requirements/node.txt

$(BIN)/uv:
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt

.PHONY: clean
clean: ## Remove everything that can be made again, .venv too
	@rm -rf $(VENV) ui/node_modules src/reactor/server/ui dist build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .coverage htmlcov
	@find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
