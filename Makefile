# Everything starts here. Needs Python 3.10 or newer and make; the rest is installed into .venv.
PYTHON ?= python3
NEWEST := $(shell cat requirements/newest)
OLDEST := 2.11.0
BIN := .venv/bin
# What touches Airflow, or libraries of which it brings other versions.
TOUCHING_AIRFLOW := $(addprefix tests/,airflow client docs exports pushes records sources)
.DEFAULT_GOAL := help
.PHONY: help demo test test-newest test-oldest check docs clean environment

help: ## Show these verbs
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

environment: ## Make .venv with the newest Airflow
	@$(PYTHON) scripts/environment.py $(NEWEST) .venv

demo: environment ## Land an export from the embedded sandbox, push records back, and show both
	@$(BIN)/python scripts/demo.py

test: check test-newest test-oldest ## Run the checks, and the tests on the newest and the oldest Airflow

# The budget's tests share slots among processes by the clock, so they run without company.
test-newest: environment ## Run the tests on the newest Airflow
	$(BIN)/python -m pytest tests/budget
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/budget

test-oldest: ## Run the tests that touch Airflow or its libraries on the oldest supported Airflow
	@$(PYTHON) scripts/environment.py $(OLDEST) .venv-$(OLDEST)
	.venv-$(OLDEST)/bin/python -m pytest -n 2 --dist loadfile $(TOUCHING_AIRFLOW)

check: environment ## Run ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: environment ## Build the documentation; a warning is an error
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean: ## Remove what make has made
	rm -rf .venv .venv-* .demo docs/_build dist
