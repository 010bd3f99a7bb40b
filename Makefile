.DEFAULT_GOAL := help
PYTHON ?= python
DATA ?= benchmarks/data

.PHONY: help setup peers check test proof bench notebooks reference docs outputs

help:  ## Print this.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## Install the package with everything its tests need.
	$(PYTHON) -m pip install -e '.[test]'

peers:  ## The real peers of the tests: Prometheus, PostgreSQL, Chromium, kubectl, Helm, ... (as root: apt-get).
	.ci/peers $(PYTHON)

check:  ## Formatting, lint, types, import contracts, stripped notebooks.
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -c "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint())"
	$(PYTHON) -m nbstripout --verify notebooks/*.ipynb

test:  ## All tests, with coverage over package and tests.
	$(PYTHON) -m pytest --cov --cov-report=term

proof:  ## Long proofs from a fixed seed, twenty times what the tests run; writes benchmarks/results/proof.md.
	$(PYTHON) -m tests.proof

bench:  ## All benchmarks on the bundled traces (DATA=DIR: and those there); each writes a table to benchmarks/results/.
	$(PYTHON) -m benchmarks all --data $(DATA)

notebooks:  ## Execute every notebook on the bundled sample.
	$(PYTHON) -m pytest tests/e2e/test_notebooks.py

reference:  ## Write again what is written from something else: docs/metrics.md, the PrometheusRule, the chart's copies, the version.
	$(PYTHON) -m tests.reference

docs:  ## Build the documentation as a site in build/site; any warning is an error.
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

outputs:  ## Write what the commands of docs/ print now into its pages.
	$(PYTHON) -m pytest -q tests/integration/test_docs.py --write-docs
