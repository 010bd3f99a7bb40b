.DEFAULT_GOAL := help
PYTHON ?= python
DATA ?= benchmarks/data

.PHONY: help setup peers check test coverage proof bench notebooks reference docs outputs

help:  ## Print this list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## Install the package with everything that its tests need.
	$(PYTHON) -m pip install -e '.[test]'

peers:  ## Install the servers and tools that tests use: Prometheus, PostgreSQL, Chromium, kubectl, Helm, ... (apt-get, as root).
	.ci/peers $(PYTHON)

check:  ## Check formatting, lint, types, import contracts and stripped notebooks.
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -c "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint())"
	$(PYTHON) -m nbstripout --verify notebooks/*.ipynb

test:  ## Run all tests.
	$(PYTHON) -m pytest

coverage:  ## Run all tests and measure which lines they run; fails below the floor in pyproject.toml.
	$(PYTHON) -m pytest --cov --cov-report=term

proof:  ## Run the property tests twenty times as often, from a fixed seed; writes benchmarks/results/proof.md.
	$(PYTHON) -m tests.proof

bench:  ## Run all benchmarks on the bundled traces (DATA=DIR adds more); each writes a table to benchmarks/results/.
	$(PYTHON) -m benchmarks all --data $(DATA)

notebooks:  ## Execute every notebook on the bundled sample.
	$(PYTHON) -m pytest tests/e2e/test_notebooks.py

reference:  ## Regenerate docs/reference, docs/metrics.md, docs/figures.md, README's figures, the PrometheusRule, the chart's README and copies, the version in other files.
	$(PYTHON) -m tests.reference

docs:  ## Build the documentation as a website in build/site; any warning is an error.
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

outputs:  ## Update the output shown in docs/ with what its commands print now.
	$(PYTHON) -m pytest -q tests/integration/test_docs.py --write-docs
