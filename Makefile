# Paebiru's commands. `make` alone lists them; only Python 3.11-3.13, make and git are needed.

VENV ?= .venv
# The first Python here that the pins are tried on; `make PYTHON=…` takes another.
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done),python3)
JOBS ?= 2

PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --disable-pip-version-check --quiet
KERNELS := $(wildcard shared/sil/kernels/*.py)
# A stamp is touched when its step is done, so that a second `make` costs nothing.
RUN := $(VENV)/.stamp-run
DEV := $(VENV)/.stamp-dev
PROJECT := $(VENV)/.stamp-project
COMPILED := $(VENV)/.stamp-compiled
WASM := tests/interp/wasm/node_modules/.package-lock.json
AIR := build/data/air.csv.gz
STUBS := build/stubs/.stamp
FLOWER := build/venv-flower/.stamp

.PHONY: help setup demo test test-mcu bench-mcu test-py lint format bench bench-capacity bench-fleet bench-link bench-memory bench-privacy bench-proximal bench-secure bench-hub bench-robust vectors fuzz nightly clean distclean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(DEV) $(PROJECT) $(COMPILED) $(WASM) $(STUBS) ## install everything that the commands below use

demo: $(PROJECT) $(COMPILED) ## ten simulated boards learn to read handwritten digits
	$(VENV)/bin/paebiru simulate --dataset digits --out build/demo

test: setup lint $(AIR) ## everything that CI runs
	$(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-py: ## the tests on another Python: make test-py PY3=python3.13
	$(MAKE) test PYTHON=$(PY3) VENV=build/venv-$(notdir $(PY3))

# Exit code 75: it cannot be built here, and says why.
MCU_TARGETS := unix32 qemu-arm qemu-rv32 qemu-arm-bytecode qemu-rv32-bytecode
test-mcu: setup ## the portable tests on emulated Cortex-M3 and RV32, and on a 32-bit VM
	@tests/mcu/build.sh || { test $$? = 75 && exit 0; exit 1; }
	$(PY) tests/mcu/run_all.py $(MCU_TARGETS)
	$(PY) -m pytest tests/host/test_mcu.py

bench-mcu: setup ## instructions per inference and per training sample, counted on emulated boards
	@tests/mcu/build.sh || { test $$? = 75 && exit 0; exit 1; }
	$(PY) tests/bench/bench_mcu.py

lint: $(DEV) ## ruff and mypy --strict
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

format: $(DEV) ## put the sources into ruff's form
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

# Minutes to an hour each: by themselves only.
LONG := $(addprefix tests/bench/bench_,robust.py vmfleet.py)
bench: setup $(AIR) $(FLOWER) ## the tables of the README, and tests/bench/results/*.json
	@set -e; for script in $(filter-out $(LONG),$(sort $(wildcard tests/bench/bench_*.py))); do $(PY) $$script; done
	$(VENV)/bin/paebiru simulate --dataset digits --out build/demo
	cp build/demo/accuracy.png tests/bench/results/digits.png
	$(PY) tests/bench/readme_tables.py

bench-capacity: setup ## how many boards a hub serves, alone: it wants two idle cores
	$(PY) tests/bench/bench_capacity.py $(ARGS)

bench-fleet: setup ## thirty boards as real processes of the firmware, killed as they learn with one hub
	$(PY) tests/bench/bench_vmfleet.py $(ARGS)

bench-link: setup ## the link's goodput alone
	$(PY) tests/bench/bench_link.py

bench-memory: setup ## what the core takes of a board's heap, alone
	$(PY) tests/bench/bench_memory.py

bench-hub: setup $(FLOWER) ## the rules of aggregation beside Flower's, alone
	$(PY) tests/bench/bench_hub.py $(ARGS)

bench-robust: setup ## rules against boards that lie; an hour of two cores, so not in bench
	$(PY) tests/bench/bench_robust.py $(ARGS)

bench-privacy: setup ## accuracy at several epsilons, alone
	$(PY) tests/bench/bench_privacy.py $(ARGS)

bench-proximal: setup ## boards drawn back to the round's model, alone
	$(PY) tests/bench/bench_proximal.py $(ARGS)

bench-secure: setup ## what masked sums cost, alone
	$(PY) tests/bench/bench_secure.py

vectors: $(DEV) $(PROJECT) ## rewrite the golden bytes; read the diff
	@set -e; for script in $(sort $(wildcard tests/vectors/make_*.py)); do $(PY) $$script; done

# What is found goes to build/: the committed corpora stay small.
FUZZ = -max_total_time=$(or $(SECONDS),60) -artifact_prefix=build/fuzz/
fuzz: setup ## random and guided inputs to every reader of bytes: make fuzz SECONDS=600
	@mkdir -p build/fuzz/link_frame build/fuzz/link_session
	$(PY) tests/fuzz/fuzz_link_frame.py $(FUZZ) build/fuzz/link_frame tests/fuzz/corpus/link_frame
	$(PY) tests/fuzz/fuzz_link_session.py $(FUZZ) build/fuzz/link_session tests/fuzz/corpus/link_session
	$(PY) -m pytest -n $(JOBS) -m fuzz --fuzz-inputs $(or $(INPUTS),2000000)

nightly: setup $(AIR) ## the tests at their long settings
	HYPOTHESIS_PROFILE=nightly $(PY) -m pytest -n $(JOBS) --dist worksteal --nightly $(ARGS)

clean: ## remove what the commands made, but for the environments
	rm -rf build dist .hypothesis .pytest_cache .mypy_cache .ruff_cache
	find $(wildcard shared firmware host tests) -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove the environments too
	rm -rf $(VENV) tests/interp/wasm/node_modules

# Debian's python3 leaves ensurepip to a package of its own.
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Paebiru needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) cannot make environments: it lacks ensurepip" >&2; \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -q >&2 && \
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y python3-venv </dev/null >&2; } || \
		{ echo "install it (on Debian and Ubuntu: apt-get install python3-venv), then try again" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN): requirements.txt | $(PY)
	@echo "Installing what Paebiru needs into $(VENV) (once, about a minute)"
	@$(PIP) -r requirements.txt
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	@echo "Installing the tools of its developers"
	@$(PIP) -r requirements-dev.txt
	@touch $@

# Editable: shared, firmware and host are read where they are.
$(PROJECT): pyproject.toml $(RUN)
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# numba compiles once and keeps the result beside the sources.
$(COMPILED): $(KERNELS) host/paebiru/accel.py host/paebiru/fast_entropy.py $(wildcard host/paebiru/federated/*.py) $(PROJECT)
	@echo "Compiling the kernels"
	@$(PY) -m paebiru.accel
	@touch $@

$(WASM): tests/interp/wasm/package-lock.json tests/interp/setup.sh
	@tests/interp/setup.sh
	@test ! -e $@ || touch $@

# Exit code 75: it cannot be fetched here, and says why; what needs it is then skipped.
$(AIR): tests/fetch_air.py | $(DEV)
	@$(PY) tests/fetch_air.py $(@D) || test $$? = 75

# Flower has an environment of its own: it pins older versions of what we use.
$(FLOWER): requirements-bench.txt | $(PY)
	@echo "Installing Flower, to be timed beside, into $(@D) (once, a minute or two)"
	@$(PY) -m venv $(@D)
	@$(@D)/bin/python -m pip install --disable-pip-version-check --quiet -r requirements-bench.txt
	@touch $@

# What the boards' own modules look like, for mypy; the same exit code.
$(STUBS): tests/stubs/requirements.txt tests/stubs/check.py | $(DEV)
	@$(PY) tests/stubs/check.py --fetch && touch $@ || test $$? = 75
