# Every target sets up what it needs by itself and may be the first command in a fresh clone.

PYTHON ?= python3
BIN := .venv/bin
DOZVON := $(BIN)/dozvon
TORCH := var/training/torch

.PHONY: help setup demo test check bench model format lock clean

help:
	@echo "make setup    everything that is needed to run: Python libraries, front-end libraries, Asterisk"
	@echo "make demo     a campaign of real calls to simulated subscribers, and the panel"
	@echo "make test     all tests (ARGS='tests/engine -k name' for some of them)"
	@echo "make check    ruff, mypy, import-linter, the rules of the tree"
	@echo "make bench    the measurements of bench/, into bench/results.json"
	@echo "make model    the embedded recogniser anew: speaks, trains (about an hour on 2 cores), writes, judges"
	@echo "make format   ruff's formatting and its safe mends"
	@echo "make lock     requirements.lock anew from pyproject.toml"
	@echo "make clean    removes what setup made in this folder; the cache in the home folder stays"

setup:
	@$(PYTHON) engine/setup/bootstrap.py run

demo: setup
	@$(DOZVON) demo $(ARGS)

test:
	@$(PYTHON) engine/setup/bootstrap.py test
ifeq ($(ARGS),)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not live"
	@$(BIN)/python -m pytest -m live
else
	@$(BIN)/python -m pytest $(ARGS)
endif

check:
	@$(PYTHON) engine/setup/bootstrap.py check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/test_tree.py

bench:
	@$(PYTHON) engine/setup/bootstrap.py test
	@$(DOZVON) bench $(ARGS)

# PyTorch is large and has no business in the environment that runs: it lives beside what training keeps.
model: setup
	@test -d $(TORCH)/torch || $(BIN)/python -m pip install -q --target $(TORCH) -r asr/training/requirements.txt
	@PYTHONPATH=$(TORCH) nice $(BIN)/python -m asr.training $(ARGS)

format:
	@$(PYTHON) engine/setup/bootstrap.py check
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# uv resolves for every Python and platform at once, which pip cannot; it stays out of the environment.
lock:
	@$(PYTHON) engine/setup/bootstrap.py check
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && \
	$(BIN)/python -m venv "$$tools" && "$$tools/bin/pip" install -q uv && \
	"$$tools/bin/uv" pip compile pyproject.toml --quiet --extra dev --extra espeak --extra silero --extra sherpa \
		--extra pocketsphinx --universal --generate-hashes --custom-compile-command "make lock" --output-file requirements.lock

clean:
	rm -rf .venv node_modules web/static/vendor build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
