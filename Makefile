# Every target sets up what it needs; Python 3.11+ and make are enough for `make run` and `make test`.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
export HOST PORT
MAX_EXAMPLES ?= 1000

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The tests of a file share a process, and so the service, the image or the mutants that they need.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

.PHONY: run test test-all check casebook bench openapi contract-fuzz tools lock clean help
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Trivium needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Creating .venv failed. On Debian: apt-get install python3-venv" >&2; exit 1; }

# The locks carry hashes and no index address; installing the package itself needs nothing beyond them.
.venv/.run: requirements/run.txt pyproject.toml service/trivium/__init__.py | .venv/bin/python
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.run
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

run: .venv/.run ## serve on HOST:PORT (127.0.0.1:8000)
	@$(BIN)/trivium serve

test: .venv/.dev ## run the tests that take seconds
	@$(PYTEST) -m "not exhaustive and not e2e" $(ARGS)

test-all: .venv/.dev ## run every test, with more random inputs; ARGS=--no-skips makes a skipped test a failure
	@$(PYTEST) --hypothesis-profile=thorough $(ARGS)

check: .venv/.dev ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

casebook: .venv/.run ## report how far the policies agree with published cases
	@$(BIN)/python tools/casebook.py

.bench/.done: requirements/bench.txt pyproject.toml service/trivium/__init__.py | .venv/bin/python
	@.venv/bin/python -m venv .bench
	@.bench/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/bench.txt
	@.bench/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation -e .
	@touch $@

bench: .bench/.done ## measure against rivals; some four minutes on an idle machine
	@.bench/bin/python -m benchmarks

# Ray, Spark and MLflow are large, and only the tests of engines need them. Spark itself needs Java.
.engines/.done: requirements/engines.txt pyproject.toml service/trivium/__init__.py | .venv/bin/python
	@.venv/bin/python -m venv .engines
	@.engines/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/engines.txt
	@.engines/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation -e .
	@touch $@

openapi: .venv/.run ## write the contract anew
	@$(BIN)/python -c 'from trivium.api.app import CONTRACT; print(CONTRACT.yaml, end="")' > openapi/openapi.yaml

# From a URL, schemathesis would leave out the operation that serves the contract; so it gets a file.
contract-fuzz: .venv/.dev ## fuzz the served contract; MAX_EXAMPLES=1000 for each operation
	@mkdir -p .schemathesis
	@port=$$($(BIN)/python -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'); \
	  url=http://127.0.0.1:$$port; \
	  TRIVIUM_LOG_LEVEL=error $(BIN)/trivium serve --host 127.0.0.1 --port $$port 2>/dev/null & \
	  trap "kill $$!; wait $$!" EXIT; \
	  $(BIN)/python -c "import httpx; print(httpx.Client(transport=httpx.HTTPTransport(retries=7)).get('$$url/openapi.json').raise_for_status().text)" \
	    > .schemathesis/contract.json \
	  && SCHEMATHESIS_HOOKS=tools/schemathesis_hooks.py $(BIN)/st --config-file openapi/schemathesis.toml run .schemathesis/contract.json --url $$url --mode all \
	    --phases examples,coverage,fuzzing,stateful --max-examples $(MAX_EXAMPLES)

tools: .venv/.dev ## install the system tools some tests need, into .tools/ and .engines/ (and apt, when root)
	@$(BIN)/python tools/install.py

lock: ## renew the hash-locked requirements (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --quiet --group build pyproject.toml -o requirements/run.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --quiet -c requirements/run.txt --group build --extra prices --extra signatures pyproject.toml -o requirements/image.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --quiet -c requirements/run.txt --group dev pyproject.toml -o requirements/dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --quiet -c requirements/run.txt --group bench pyproject.toml -o requirements/bench.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --quiet -c requirements/run.txt --group engines pyproject.toml -o requirements/engines.txt

clean: ## remove everything the other targets made
	rm -rf .venv .tools .bench .engines .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .schemathesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
