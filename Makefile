# Everything runs in one virtual environment, .venv, made here from pyproject.toml. Needed beforehand: Python 3.11 or newer, and make.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test packets fuzz soak peers lint types format docs bench clean

demo: .venv/run.stamp            ## the main job, shown: faults between a built-in game server and its client, with evidence from the kernel
	@$(BIN)/faultproxy demo

test: .venv/test.stamp           ## all tests that need no foreign program
	@$(BIN)/python -m pytest -q -m "not peers"

fuzz: .venv/test.stamp           ## a million bent packets against what must hold of every packet; takes minutes
	@$(BIN)/python -m tests.fuzz

soak: .venv/test.stamp           ## thousands of connections through the daemon while its faults are toggled; ten minutes
	@$(BIN)/python -m tests.control.soak

packets: .venv/test.stamp        ## only the tests that touch packets, each in a network of its own
	@$(BIN)/python -m pytest -q -m packets

peers: .venv/dev.stamp           ## against redis, nginx, TinyMUX, curl, tshark, node: they must be installed
	@$(BIN)/python -m pytest -q -m peers

lint: .venv/dev.stamp
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: .venv/dev.stamp
	@$(BIN)/mypy

format: .venv/dev.stamp
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

docs: .venv/test.stamp           ## writes the generated part of docs/ anew
	@$(BIN)/python -m faultproxy.scenario.reference docs
	@$(BIN)/python -m tests.scenarios.table docs/conditions.md

bench: .venv/run.stamp           ## side by side with other relays, in one run; takes minutes (see bench/README.md)
	@$(BIN)/python -m bench

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "faultproxy needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11")'
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/run.stamp: .venv/made.stamp pyproject.toml
	@echo "setting up .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/test.stamp: .venv/run.stamp
	@echo "adding what the tests need (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

.venv/dev.stamp: .venv/test.stamp
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
