# Each target does all its own set-up, in .venv, and re-does it when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: test demo lint slow zoo clean

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

zoo: $(VENV)/.test
	$(BIN)/python -m pytest -m zoo

demo: $(VENV)/.demo
	$(BIN)/graphprune demo

clean:
	rm -rf $(VENV) build dist graphprune.egg-info

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.created
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[test]'
	touch $@ $(VENV)/.demo

$(VENV)/.demo: pyproject.toml | $(VENV)/.created
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[onnxruntime,plot]'
	touch $@
