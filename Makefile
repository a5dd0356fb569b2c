# Two commands matter: `make run` and `make test`. Both create .venv by themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: install run test lint bench bench-pictures train-starters clean

$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e '.[train]'
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@

install: $(VENV)/.run

run: install
	$(BIN)/antiphon

test: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

# Hours: recipes for pictures side by side. ARGS="--minutes 60 --seeds 3" says how long; resumable.
bench-pictures: $(VENV)/.dev
	$(BIN)/python -m tests.bench.pictures $(ARGS)

# ARGS="--only pictures" and the like; resumable.
train-starters: install
	$(BIN)/python -m studio.starters $(ARGS)

clean:
	rm -rf $(VENV) out runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
