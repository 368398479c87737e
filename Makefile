# Everything runs in .venv, made on first use. pip reads your own index settings.
.DEFAULT_GOAL := test
.PHONY: demo test test-all fuzz fuzz-guided lint bench zoo families

PYTHON := $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/pip install -q --no-compile --prefer-binary --disable-pip-version-check -c constraints.txt

# a first look: small networks, generated images, no download
demo: .venv/.done-plain
	$(BIN)/seealike demo --out demo

# two test workers, one thread each: more threads than cores would slow both
test test-all: export OMP_NUM_THREADS = 1

test: .venv/.done
	$(BIN)/python -m pytest

test-all: .venv/.done
	$(BIN)/python -m pytest -m "long or not long"

# broken and hostile files, studies and answers, the same ones each time; fewer or more: make fuzz CASES=1000
fuzz: export CASES ?= 100000
fuzz: export OMP_NUM_THREADS = 1
fuzz: .venv/.done
	$(BIN)/python -m pytest tests/hostile -n0 -s -m "long or not long" -o addopts="-q --strict-markers"

# the same properties, with cases chosen by the code that they reach (libFuzzer), where atheris installs
fuzz-guided: export OMP_NUM_THREADS = 1
fuzz-guided: .venv/.done-fuzz
	$(BIN)/python tests/hostile/guided.py $(or $(RUNS),2000)

lint: .venv/.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

bench: .venv/.done-bench
	$(BIN)/python bench/cka.py

# checks the smallest model of every family of the libraries and writes docs/families.md; a part: make families ONLY='timm-vi*'
families: export OMP_NUM_THREADS = 1
families: .venv/.done
	$(BIN)/python bench/families.py $(if $(ONLY),--only '$(ONLY)')

# trains networks of the zoo into the user's cache: all that are not there, or make zoo NAME="vit-s1 mixer";
# those on CIFAR-10 from the hub, or from files: make zoo NAME=vit-cifar10 TRAIN=parquet:... TEST=parquet:...
zoo: .venv/.done
	$(BIN)/python -m seealike.training.making $(NAME) $(if $(TRAIN),--train $(TRAIN)) $(if $(TEST),--test $(TEST))

.venv/.done-plain: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No python3 found: seealike needs Python 3.11 or newer."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "seealike needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V)."; \
	  echo "Name another: make PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) -e .
	@touch $@

.venv/.done: .venv/.done-plain
	$(PIP) -e '.[dev]'
	@touch $@

.venv/.done-fuzz: .venv/.done
	$(PIP) -e '.[fuzz]'
	@touch $@

.venv/.done-bench: .venv/.done
	$(PIP) -e '.[bench]'
	@touch $@
