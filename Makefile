# make quickstart   an environment, then a dual encoder for all nouns of WordNet, measured and searched
# make test         an environment, then style, types and tests
# make test-slow    the proofs at full size
# make docs         the documentation as pages, in docs/_build/html; a warning is an error
# make attack       writers killed and racing, files damaged: a tenth of the full size (SEED=n, SCALE=1)
# make bench        every benchmark, its figures to benchmarks/results
# make paper        the paper's tables and figures and the studies around it, on two cores: a day; resumes where it stopped
# make report       one page of the studies in benchmarks/results, report.html, without measuring again
PYTHON ?= python3
VENV ?= .venv
# processes that run the tests side by side
JOBS ?= 2
SEED ?= 0
SCALE ?= 0.1
BIN := $(VENV)/bin
BENCHMARKS := sources full_softmax hierarchies wordnet hpo_synonyms wordnet_glosses growth answer_sets index_engines milvus_engine diagnose geometry
STUDIES := best figure3 table1 figure4 tableC1 figureC1 figureE1 figureD1 losses scarce irregular incomplete order cost baselines figure2 noise margins
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: quickstart test test-slow docs attack bench paper report clean

quickstart: $(VENV)/.base
	rm -rf runs/quickstart
	$(BIN)/rootward train wordnet --dim 64 --out runs/quickstart
	$(BIN)/rootward search runs/quickstart cat recliner motorist

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow" --numprocesses $(JOBS) --dist loadgroup

test-slow: $(VENV)/.dev
	$(BIN)/pytest -m slow

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

attack: $(VENV)/.dev
	$(BIN)/python benchmarks/attack.py --scale $(SCALE) --seed $(SEED)

bench: $(VENV)/.dev
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py || exit 1; done

paper: $(VENV)/.dev
	for name in $(STUDIES); do test -e reports/$$name/results.json || \
		$(BIN)/rootward-paper $$name --scale cpu --seeds 3 --out reports/$$name || exit 1; done
	$(BIN)/rootward-paper report reports -o report.html

report: $(VENV)/.dev
	$(BIN)/rootward-paper report benchmarks/results -o report.html

clean:
	rm -rf $(VENV) build dist src/*.egg-info paper/build paper/src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "rootward needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml paper/pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[dev]' --editable ./paper
	touch $@
