# make demo and make test do all their set-up themselves; they need Python 3.11 or newer and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SECONDS ?= 0

.PHONY: demo test lint types bench fuzz check-python clean

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rfid-gateway needs Python 3.11 or newer; call make PYTHON=python3.11")'

$(VENV)/.demo: pyproject.toml | check-python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | check-python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## a warehouse without hardware, until Ctrl-C (SECONDS=20 ends by itself)
	@$(BIN)/rfid-gateway demo --seconds $(SECONDS)

# Clients that we did not write and that cannot live in the environment; tests that need them skip without.
$(VENV)/.counterparts: tests/counterparts.txt | $(VENV)/.dev
	-$(BIN)/python -m pip install --quiet --no-deps --upgrade --target build/counterparts -r $<
	@touch $@

# Three at a time, a file always in one process: most tests wait for a wire, a broker or a clock.
test: $(VENV)/.dev $(VENV)/.counterparts servers  ## what CI runs
	$(BIN)/python -m pytest -n 3 --dist loadfile

.PHONY: servers
servers:  ## the servers that tests start for themselves: installed where we may
	@sh .ci/servers

.PHONY: interop
interop: $(VENV)/.dev servers  ## write docs/interop.md from sessions between LLRP clients and readers
	$(BIN)/python -m tests.contract.test_llrp_interop

.PHONY: test-faults
test-faults: $(VENV)/.dev servers  ## FAULTS random faults (1000 without) against real gateways; SEED=, KINDS=, SITES=; as root
	@$(BIN)/python -m tests.faults.run --faults $(or $(FAULTS),1000) --sites $(or $(SITES),4) \
		$(if $(SEED),--seed $(SEED)) $(if $(KINDS),--kinds $(KINDS))

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/codespell

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.dev
	@for file in benchmarks/[a-z]*.py; do $(BIN)/python $$file || exit 1; done

fuzz: $(VENV)/.dev  ## every parser for SECONDS each (60 without); what crashes one is kept in build/fuzz
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	$(BIN)/python -m fuzz.run --seconds $(if $(filter-out 0,$(SECONDS)),$(SECONDS),60)

.PHONY: deb test-systemd test-vm
deb: $(VENV)/.dev  ## dist/rfid-gateway_VERSION_amd64.deb for Debian 12, Debian 13 and Ubuntu 24.04
	@sh .ci/packaging
	@PYTHON=$(BIN)/python sh debian/build
	@lintian --fail-on error,warning --allow-root dist/rfid-gateway_*.deb

test-systemd: deb  ## the package under real systemd: install, run, kill, hang, upgrade, remove (as root)
	@sh .ci/packaging systemd
	$(BIN)/python -m tests.systemd.run $(if $(SUITES),--suites $(SUITES)) --deb $$(ls dist/rfid-gateway_*.deb)

test-vm: deb servers  ## the package on a virtual PC: CUTS power cuts (12 without), a USB reader pulled; SEED=, PARTS=; as root
	@sh .ci/packaging vm
	@$(BIN)/python -m tests.vm.run --deb $$(ls dist/rfid-gateway_*.deb) --cuts $(or $(CUTS),12) \
		$(if $(SEED),--seed $(SEED)) $(if $(PARTS),--parts $(PARTS))

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
