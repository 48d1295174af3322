# Every target does its own set-up: a fresh clone and one of these words is all it takes.
.PHONY: help setup run test lab docs bench clean
SHELL := /bin/bash
BIN := .venv/bin
PYTHON ?=
export PYTHON

help:   ## what there is
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */\1\t/' | expand -t 10

setup: ## make .venv from the lock and install camels in it
	@tools/setup.sh

run: setup ## the main job: make the synthetic corpus, encode it, train A, B, C, report, open the workbench
	@$(BIN)/camels demo $(ARGS)

test: ## notebooks, house checks, tests and browser tests
	@tools/setup.sh --ui
	@tools/test.sh

lab: setup ## JupyterLab on the notebooks, kernel registered
	@$(BIN)/camels lab

docs: setup ## the documentation site, into _docs/html
	@$(BIN)/python tools/docs.py

bench: setup ## speed, memory and retrieval beside named peers
	@$(BIN)/camels bench all $(ARGS)

clean: ## remove what was built; runs/ and .venv stay
	@rm -rf _docs _proc build dist .cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
