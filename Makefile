# Every command works on a fresh clone: it first makes .venv with the locked dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check bench soak requirements lock docs clean
.DEFAULT_GOAL := help

help:            ## list the commands
	@grep -hE '^[a-z]+: .*##|^[a-z]+:  +##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

$(VENV)/.ready: requirements.lock pyproject.toml tools/venv.sh
	@PYTHON="$(PYTHON)" tools/venv.sh $(VENV)
	@touch $@

demo: $(VENV)/.ready   ## start Penstock on an embedded PostgreSQL, play sample messages, show where to look
	@$(BIN)/penstock up --demo

test: $(VENV)/.ready   ## the whole suite
	@$(BIN)/python -m pytest

check: test      ## exactly what continuous integration runs (format, lint, types and borders are tests too)

bench: $(VENV)/.ready  ## benchmarks: medians and ratios of this machine
	@$(BIN)/python -m benchmarks

soak: $(VENV)/.ready   ## the long chaos runs (2,000 kills and more)
	@$(BIN)/python -m pytest -m soak -o timeout=0

requirements: $(VENV)/.ready  ## which requirement is proven by which test
	@$(BIN)/python tools/requirements.py

docs: $(VENV)/.ready   ## regenerate the reference pages
	@$(BIN)/python tools/reference.py
	@$(BIN)/python tools/fhir_types.py

lock: $(VENV)/.ready   ## resolve the dependencies anew
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --no-annotate --no-emit-index-url -q -o requirements.lock

clean:           ## remove everything that was made, but no data
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
