# make train: a network learns MNIST. make test: every gradient is checked. Both set up what they need in .venv.
PYTHON ?= python3

VENV ?= .venv

BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: help venv train test lint bench docs

help:
	@echo "make train  train DeepConvNet for one epoch; the results are in runs/deepconvnet"
	@echo "make test   run all tests"
	@echo "make lint   ruff and mypy"
	@echo "make docs   run the examples and what the documents show"
	@echo "make bench  speed beside a textbook implementation, and peak memory"
	@echo "make venv   only set up the virtual environment .venv"

venv: $(READY)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

train: $(READY)
	$(BIN)/xpnet train deepconvnet --epochs 1 --batch-size 50 --lr 0.002 --no-last-dropout --out runs/deepconvnet

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(READY)
	$(BIN)/python bench/compare.py --against textbook
	$(BIN)/python bench/memory.py

docs: $(READY)
	$(BIN)/python -m pytest tests/test_docs.py tests/test_examples.py
