# Everything starts here. Needs Python 3.10 or newer and make; the rest is installed into .venv.
PYTHON ?= python3
NEWEST := $(shell cat requirements/newest)
OLDER := 2.11.0 3.0.6
MINUTES ?= 60
BIN := .venv/bin
# Without bytecode each of the many processes of the tests would compile Airflow anew: seconds instead of one.
unexport PYTHONDONTWRITEBYTECODE
# What touches Airflow, or the HTTP libraries of which it brings other versions.
TOUCHING_AIRFLOW := $(addprefix tests/,client/transport contract hooks operators runtime sensors transfers triggers) \
	$(wildcard tests/test_*.py)
# Long files begin first: see tests/conftest.py.
PYTEST := -m pytest --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help
.PHONY: help demo test checked quick test-newest test-older $(OLDER:%=test-%) check docs clean environment matrix \
	ui cluster browser screenshots package release licenses soak

help: ## Show these targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

environment: ## Create .venv with the newest Airflow
	@$(PYTHON) scripts/environment.py $(NEWEST) .venv tools

demo: environment ## Land an export from the embedded sandbox, push records back, and show both
	@$(BIN)/python scripts/demo.py

# Both cores have something to do all the time: what waits in one run leaves its core to the other one.
test: ## Run the checks, and the tests on the newest Airflow, 2.11.0 and 3.0.6
	@echo "The newest Airflow and the older ones are tested side by side; what each prints comes when it has ended."
	@$(MAKE) --no-print-directory --jobs 3 $(if $(filter output-sync,$(.FEATURES)),--output-sync) checked test-older

# The short soak waits nearly all the time, so it runs beside the tests: about 20 seconds of a processor.
checked:
	@$(MAKE) check && $(MAKE) test-newest soak MINUTES=0.6 SEED=1

# The browser's tests skip themselves where there is none. Three at a time: some wait rather than compute.
test-newest: environment ## Run the tests on the newest Airflow
	$(BIN)/python $(PYTEST) -n 3

test-older: ## Run the tests that touch Airflow or its libraries on 2.11.0 and 3.0.6
	@$(foreach release,$(OLDER),$(MAKE) test-$(release) &&) true

# The fault tables run whole on the newest. On the oldest, the rows of comments, which nothing may double, stand for all;
# between the two, none need run again.
test-2.11.0: LEAVING := --ignore=tests/operators/test_attachment_faults.py -k 'not test_push_faults or comments'
test-3.0.6: LEAVING := $(patsubst %,--ignore=tests/operators/test_%_faults.py,push attachment)

# The emulators of Google and Azure, and the providers that talk to them, belong to the newest environment. Exit code 3:
# this machine has no Python that the release supports.
$(OLDER:%=test-%): test-%:
	@$(PYTHON) scripts/environment.py $* .venv-$* || [ $$? = 3 ]
	@[ ! -d .venv-$* ] || .venv-$*/bin/python $(PYTEST) -n 2 $(TOUCHING_AIRFLOW) $(LEAVING) \
		--ignore=tests/transfers/test_clouds.py

soak: environment ## Run everything at once for MINUTES=60, with faults and kills, and prove the promises
	@$(BIN)/python benchmarks/soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# The rooms without real processes, whole Airflows or fault tables.
quick: environment ## Run the checks and the quick tests: the loop while working
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python $(PYTEST) -n 2 -q --ignore tests/client/budget \
		--ignore tests/pushes/test_histories.py $(addprefix tests/,client contract pushes sources storage)

matrix: ## Run the demo and the tests on every supported Airflow and Python; half an hour
	@$(PYTHON) scripts/matrix.py $(CELLS)

check: environment ## Run ruff and mypy, and check the files of the repository's host
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.readthedocs .readthedocs.yaml

ui: environment ## Open Airflow's UI with a sandbox MaestroQA, a local S3 and the example DAGs
	@$(BIN)/python scripts/ui.py

# BACKFILL=365 lands as many exports instead. Each takes some minutes.
cluster: environment ## Run a load on a cluster with Celery, then the same with faults; ten minutes
	$(BIN)/python scripts/cluster $(if $(BACKFILL),--backfill $(BACKFILL))

browser: environment ## Test that UI in a real browser; takes minutes, skipped if there is none
	$(BIN)/python -m pytest tests/browser

screenshots: environment ## Take the screenshots of docs/ui.md again
	MAESTROQA_SCREENSHOTS=docs/images $(BIN)/python -m pytest tests/browser

package: environment ## Build the package into dist/ and check it; ten minutes or more
	$(BIN)/python scripts/package.py

release: environment ## Build and check a release, from a commit with its tag
	$(BIN)/python scripts/package.py --release

licenses: environment ## Write docs/licenses.md, the licenses of dependencies
	$(BIN)/python scripts/licenses.py

docs: environment ## Build the documentation; a warning is an error
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean: ## Remove everything that make has created
	rm -rf .venv .venv-* .demo .matrix .ui .cluster docs/_build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
