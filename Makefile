# `make` lists the targets.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test matrix chaos chaos-mutants docs pictures bench check lint types clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make the virtual environment, with everything in it

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: install ## Edit a video, kill the editor in the middle, resume (VIDEO=path for your own)
	$(BIN)/python -m examples.video_editor.demo $(if $(VIDEO),"$(VIDEO)")

# Three at a time: most tests wait for servers and workers, not for a core; but with four on two
# cores, now and then one waits longer for a server than its own deadline.
test: install check ## Check and run every test
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

matrix: install ## Test on every Python that is here, on old and new dependencies
	$(BIN)/python tests/matrix.py

chaos: install ## Hurt everything for a while (MINUTES=10 SEED=1 KEEP=folder), and check what was promised
	cd tests && $(abspath $(BIN))/python -m chaos --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep $(abspath $(KEEP)))

chaos-mutants: install ## Show that each law of `make chaos` can fail: break the product, and see it caught
	cd tests && $(abspath $(BIN))/python -m chaos.mutants $(if $(ONLY),--only '$(ONLY)')

docs: install ## Build the documentation into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

pictures: install ## Draw the documentation's pictures anew (needs Chromium)
	$(BIN)/python docs/pictures/draw.py

bench: install ## Measure the product beside its limits and its peers (QUICK=1 for a short one)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python -m bench --plan $(if $(QUICK),quick,full)

check: install lint types ## Lint, format and types

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy cannot follow the hook of an editable install, so it reads an installed copy
types: install
	rm -rf build/typed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/typed .
	cp -R examples bench build/typed
	cd build/typed && $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml -p checkpoint -p examples -p bench

clean: ## Remove what these targets made
	rm -rf $(VENV) build dist *.egg-info
