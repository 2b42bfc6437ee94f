# Needs git, make and Python 3.11 or newer with venv; everything else is put into .venv by the first target you ask for.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 3
FOR ?= 600
NATIVE := setup.py $(wildcard native/*.py native/*.c native/*.h)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help run test lint format docs prompts native soak fuzz bench coverage clean

help:
	@echo "make run       start an exchange in run/ with two accounts; Ctrl-C stops it"
	@echo "make test      run the tests, JOBS=3 at a time; as root on Debian it installs the phone programs first"
	@echo "make lint      ruff and mypy"
	@echo "make format    let ruff format the code"
	@echo "make docs      write docs/rfc.md, docs/dialplan/reference.md and the causes in docs/operating.md anew"
	@echo "make prompts   make the prompts and the music anew; needs espeak-ng"
	@echo "make native    the native relay: its sources under the sanitizers, its threads"
	@echo "make soak      the tests with their full counts: hours"
	@echo "make fuzz      misuse and damage for ten minutes; FOR=60 for one"
	@echo "make bench     the benchmarks"
	@echo "make coverage  how much of pbx/sip its tests reach, and what they do not: some minutes"
	@echo "make clean     remove .venv and all caches; run/ stays"

run: $(VENV)/installed
	@exec $(BIN)/python -m tools.run

test: $(VENV)/installed-dev
	@$(BIN)/python -m tests.programs
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

docs: $(VENV)/installed-dev
	$(BIN)/python -m tools.rfc
	$(BIN)/python -m tools.reference
	$(BIN)/python -m tools.causes

prompts: $(VENV)/installed-dev
	$(BIN)/python -m tools.prompts

native: $(VENV)/installed-dev
	$(BIN)/python -m pytest tests/media/test_native.py tests/media/both_relays

soak: $(VENV)/installed-dev
	@$(BIN)/python -m tests.programs
	PBX_COUNTS=full $(BIN)/python -m pytest --timeout 7200

fuzz: $(VENV)/installed-dev
	$(BIN)/python -m fuzz --seconds $(FOR)

bench: $(VENV)/installed-dev
	$(BIN)/python -m bench

coverage: $(VENV)/installed-dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --hypothesis-seed 0 tests/sip tests/flows tests/conformance
	$(BIN)/coverage combine --quiet
	$(BIN)/python -m tools.coverage

clean:
	rm -rf $(VENV) pbx/media/_native*.so build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Building without isolation needs no network once everything is there, so that a changed setup.cfg does not either.
$(VENV)/installed: $(VENV)/made setup.cfg pyproject.toml $(NATIVE)
	@echo "Installing into $(VENV): the first time this takes a minute."
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/made setup.cfg pyproject.toml $(NATIVE)
	@echo "Installing into $(VENV), with what the tests need: the first time this takes a minute or two."
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@ $(VENV)/installed

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv: install it (Debian: apt install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) 'setuptools>=77' 'cffi>=1.17'
	@touch $@
