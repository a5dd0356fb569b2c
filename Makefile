# Two commands matter: `make run` and `make test`. Both create .venv by themselves.
PYTHON ?= python3
VENV ?= .venv
PEERS ?= out/peers
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: install run test lint bench bench-peers bench-pictures bench-finetune bench-chorales train-starters clean

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

# Side by side: every test is alone with its own folders; those that want ports or a window run one by one in .ci/run.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Peers are measured where `make bench-peers` has put them, else named as missing. ARGS="partner" is the model alone.
bench: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench $(ARGS) $(if $(wildcard $(PEERS)/.done),--peers $(PEERS)/bin/python)

# In an environment of their own, on our torch: Notochord asks for an older one, the picture peers for CUDA;
# neither needs it.
bench-peers: $(VENV)/.run
	test -x $(PEERS)/bin/python || $(BIN)/python -m venv $(PEERS)
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
	  > $$($(PEERS)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/ours.pth
	$(PEERS)/bin/python -m pip --disable-pip-version-check -q install transformers mido pandas tqdm appdirs joblib
	$(PEERS)/bin/python -m pip --disable-pip-version-check -q install --no-deps notochord \
	  stylegan2_pytorch lightweight-gan kornia kornia_rs einops
	touch $(PEERS)/.done

# Hours: recipes for pictures side by side. ARGS="--minutes 60 --seeds 3" says how long; resumable.
bench-pictures: $(VENV)/.dev
	$(BIN)/python -m tests.bench.pictures $(ARGS)

# Half an hour of CPU time: a hundred pictures of another kind from a shipped bundle; resumable.
bench-finetune: $(VENV)/.dev
	$(BIN)/python -m tests.bench.finetune $(ARGS)

# An hour and a half of CPU time: models of Bach's chorales, as a paper's table; resumable.
bench-chorales: $(VENV)/.dev
	$(BIN)/python -m tests.bench.chorales $(ARGS)

# ARGS="--only pictures" and the like; "--only band --onward" trains the shipped one on; resumable.
train-starters: install
	$(BIN)/python -m studio.starters $(ARGS)

clean:
	rm -rf $(VENV) out runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
