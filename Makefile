# `make help` lists the targets. Written for GNU make 3.81 (macOS) and newer, and a path without spaces.
# ARGS goes through to the command behind a target: make test ARGS='-k drivers'.

PYTHON ?= python3
ARGS ?=

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup report test lab docs lint format bench recovery lock cluster airflow clean which-python FORCE

# ---- the environment -------------------------------------------------------
# An active virtual or conda environment is used; conda's base, which belongs to no project, is not.
OWN := $(CURDIR)/.venv
ENV := $(OWN)
ifneq ($(VIRTUAL_ENV),)
  ENV := $(VIRTUAL_ENV)
else ifneq ($(CONDA_PREFIX),)
  ifneq ($(CONDA_DEFAULT_ENV),base)
    ENV := $(CONDA_PREFIX)
  endif
endif
BIN := $(ENV)/bin
PY := $(BIN)/python
RUN := PATH="$(BIN):$$PATH"
PIP := "$(PY)" -m pip --disable-pip-version-check --no-input -q

# Only where nobody named a PYTHON may another one on the PATH stand in for it.
CANDIDATES := $(PYTHON)
ifeq ($(origin PYTHON),file)
  CANDIDATES += python3.13 python3.12 python3.11
endif
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
VERSION := import sys; print(*sys.version_info[:3], sep=".")

# Prints the first Python that suits, or says why there is none.
FIND_PYTHON = for p in $(CANDIDATES); do \
	    if "$$p" -c '$(SUITS)' >/dev/null 2>&1; then echo "$$p"; exit 0; fi; \
	  done; \
	  seen=$$("$(PYTHON)" -c '$(VERSION)' 2>/dev/null || echo 'not there'); \
	  echo "cxlab needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$seen. Name one: make setup PYTHON=python3.12" >&2; \
	  exit 1

# The stamp holds the folder it was made for: a copied tree, or an environment shared by two clones, is set up anew.
STAMP := $(ENV)/.cxlab-setup
MADE_FOR := $(shell cat "$(STAMP)" 2>/dev/null)
ifneq ($(MADE_FOR),$(CURDIR))
$(STAMP): FORCE
endif

$(STAMP): requirements.lock pyproject.toml
	@set -e; \
	if [ "$(ENV)" = "$(OWN)" ]; then \
	  if ! "$(PY)" -c '$(SUITS)' >/dev/null 2>&1 || [ "$(or $(MADE_FOR),$(CURDIR))" != "$(CURDIR)" ]; then \
	    python=$$($(FIND_PYTHON)); \
	    "$$python" -m venv --clear "$(OWN)" >&2; \
	  fi; \
	elif [ ! -x "$(PY)" ]; then \
	  echo "the active environment $(ENV) has no bin/python: deactivate it or make it anew" >&2; exit 1; \
	elif ! "$(PY)" -c '$(SUITS)'; then \
	  echo "cxlab needs Python 3.11, 3.12 or 3.13; the active environment $(ENV) has $$("$(PY)" -c '$(VERSION)')" >&2; exit 1; \
	fi; \
	echo "Setting up $(ENV) (Python $$("$(PY)" -c '$(VERSION)')), once; this takes a minute or two" >&2; \
	"$(PY)" -m pip --version >/dev/null 2>&1 || "$(PY)" -m ensurepip >/dev/null; \
	if ls "$(ENV)"/conda-meta/lifelines-*.json >/dev/null 2>&1; then \
	  echo "Its packages come from environment.yml" >&2; \
	else \
	  $(PIP) install --require-hashes -r requirements.lock; \
	fi; \
	$(PIP) install --no-deps --no-build-isolation -e .; \
	echo "$(CURDIR)" > "$(STAMP)"

FORCE:

AIRFLOW := $(CURDIR)/.airflow

# ---- targets ---------------------------------------------------------------
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1 \2/p' $(firstword $(MAKEFILE_LIST)) \
	  | while read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

setup: $(STAMP) ## set up the environment; the targets below do it by themselves
	@echo "Ready: $(ENV)"

report: $(STAMP) ## render the demo report; the last line names the file to open
	@$(RUN) "$(BIN)/cxlab" render reports/demo.yml $(ARGS)

# Two workers share two cores: more threads of linear algebra would only wait for each other. Hundreds of
# processes are started: each would compile cxlab anew if nothing were allowed to keep what is compiled.
test: $(STAMP) ## run the tests
	@OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(RUN) "$(PY)" -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lab: $(STAMP) ## JupyterLab on the notebooks' questions
	@$(RUN) "$(BIN)/cxlab" lab $(ARGS)

docs: $(STAMP) ## the documentation site, with the demo's pictures; its last line names the file to open
	@$(RUN) "$(PY)" docs/build.py $(ARGS)

NOTEBOOKS = $(wildcard notebooks/*.ipynb)
NBSTRIPOUT = "$(PY)" -m nbstripout --keep-id \
	  --extra-keys "metadata.papermill cell.metadata.papermill cell.metadata.execution"

lint: $(STAMP) ## ruff, mypy, and notebooks without outputs
	@"$(PY)" -m ruff check .
	@"$(PY)" -m ruff format --check .
	@"$(PY)" -m mypy
	@$(if $(NOTEBOOKS),$(NBSTRIPOUT) --verify $(NOTEBOOKS) \
	  || { echo "notebooks with outputs or a run's metadata: make format strips them" >&2; exit 1; })

format: $(STAMP) ## let ruff rewrite what it can, and strip the notebooks
	@"$(PY)" -m ruff check --fix -q . || true
	@"$(PY)" -m ruff format .
	@$(if $(NOTEBOOKS),$(NBSTRIPOUT) $(NOTEBOOKS))

# scale.py: 1 and 10 million events (ARGS=--full: 100 million too), and what else one would do, each with ten
# minutes and ten more for larger data: about an hour in all.
bench: $(STAMP) ## time and memory, at scale and of a render (ARGS=--full: 100 million events too)
	@set -e; for b in $(filter-out benchmarks/recovery.py benchmarks/gaps.py benchmarks/signals.py benchmarks/feelings.py benchmarks/_%,$(sort $(wildcard benchmarks/*.py))); do \
	  $(RUN) "$(PY)" $$b $(ARGS); done

# What is done is kept in .cache/recovery: a run that was cut goes on, and --from writes the page alone.
# Of ARGS, signals.py and feelings.py are given --worlds alone.
FEWER = $$(echo '$(ARGS)' | sed -n 's/.*\(--worlds[ =][0-9]*\).*/\1/p')
recovery: $(STAMP) ## does simulated data give the true effects and outages back? (ARGS='--worlds 20': a quick look)
	@$(if $(findstring --from,$(ARGS)),,$(RUN) "$(PY)" benchmarks/gaps.py)
	@$(if $(findstring --from,$(ARGS)),,$(RUN) "$(PY)" benchmarks/signals.py $(FEWER))
	@$(if $(findstring --from,$(ARGS)),,$(RUN) "$(PY)" benchmarks/feelings.py $(FEWER))
	@$(RUN) "$(PY)" benchmarks/recovery.py $(ARGS)

# One version for every Python and system. Without a wheel for all of them the newest are passed over:
# autograd-gamma 0.5 (source only), argon2-cffi-bindings 26 (no wheel for Intel Macs).
lock: ## write requirements.lock and those of clusters and of Airflow anew (ARGS=--upgrade for newer versions); needs uv
	@command -v uv >/dev/null || { echo "make lock needs uv, which nothing else here does: pip install uv" >&2; exit 1; }
	@echo 'argon2-cffi-bindings<26' | UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile -q pyproject.toml \
	  --extra dev --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --only-binary autograd-gamma -c /dev/stdin \
	  -o requirements.lock $(ARGS) >/dev/null
	@sed '/^ *#  *-c /d' requirements.lock > requirements.lock.new && mv requirements.lock.new requirements.lock
	@"$(PYTHON)" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["cluster"], sep="\n")' \
	  | UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile -q - --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate -c requirements.lock \
	  -o requirements-cluster.lock $(ARGS) >/dev/null
	@echo 'apache-airflow>=3.3,<4' | UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile -q - --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	  -o requirements-airflow.lock $(ARGS) >/dev/null

cluster: $(STAMP) ## add what engine spark and the tests of clusters need, half a gigabyte; Java 17 comes from elsewhere
	@$(PIP) install --require-hashes -r requirements-cluster.lock

# Airflow pins what cxlab has in other versions: it gets an environment that cxlab is not in.
airflow: $(AIRFLOW)/.made ## add the Airflow that the tests of its DAGs run, in an environment of its own

$(AIRFLOW)/.made: $(STAMP) requirements-airflow.lock
	@"$(PY)" -m venv --clear "$(AIRFLOW)"
	@"$(AIRFLOW)/bin/python" -m pip --disable-pip-version-check --no-input -q install --require-hashes \
	  -r requirements-airflow.lock
	@touch $@

clean: ## remove caches and built packages; reports, .venv and .airflow stay
	@rm -rf .cache .mypy_cache .pytest_cache .ruff_cache build dist docs/_build
	@find . \( -path ./.venv -o -path ./.airflow \) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -prune -exec rm -rf {} +

which-python:
	@$(FIND_PYTHON)
