# make train: a network learns MNIST. make play: one looks inside. make test: every gradient is checked. Each sets up
# what it needs in .venv.
PYTHON ?= python3

VENV ?= .venv

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable
LIBRARY := $(VENV)/library-is-there
WEB := $(VENV)/web-is-there
TOOLS := $(VENV)/tools-are-there
ON_ALL_CORES := --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: help venv train play test quick lint bench docs

help:
	@echo "make train  train DeepConvNet for one epoch; the results are in runs/deepconvnet"
	@echo "make play   draw digits and play with networks, in the browser"
	@echo "make test   run all tests, on all cores"
	@echo "make quick  run those that are quick, on the backends numpy and reference, in a minute"
	@echo "make lint   ruff and mypy"
	@echo "make docs   run the examples and what the documents show"
	@echo "make bench  speed beside a textbook, where the time goes, cost over sizes, peak memory"
	@echo "make venv   only set up the virtual environment .venv, with all that the tests need"

venv: $(TOOLS)

# some tens of megabytes: to train, and to draw the history
$(LIBRARY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) ".[plot]"
	@touch $@

# a few more: the server of the pages
$(WEB): $(LIBRARY)
	$(PIP) ".[web]"
	@touch $@

# some hundreds: CuPy and its compiler are among what the tests need
$(TOOLS): $(LIBRARY)
	$(PIP) ".[dev]"
	@touch $@

train: $(LIBRARY)
	$(BIN)/xpnet train deepconvnet --epochs 1 --batch-size 50 --lr 0.002 --no-last-dropout --out runs/deepconvnet

play: $(WEB)
	$(BIN)/xpnet play

test: $(TOOLS)
	$(BIN)/python -m pytest $(ON_ALL_CORES)

quick: $(TOOLS)
	HYPOTHESIS_PROFILE=quick XPNET_TEST_BACKENDS=numpy,reference XPNET_CUDASIM=0 $(BIN)/python -m pytest $(ON_ALL_CORES) -m "not slow"

lint: $(TOOLS)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(TOOLS)
	$(BIN)/python bench/compare.py --against textbook
	$(BIN)/python bench/profile.py deepconvnet
	$(BIN)/python bench/curves.py
	$(BIN)/python bench/memory.py

docs: $(TOOLS)
	$(BIN)/python -m pytest tests/house/test_docs.py tests/house/test_examples.py
