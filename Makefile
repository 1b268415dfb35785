# Yijian. `make` alone lists what there is.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

ARGS ?=

# Where a system package is missing and cannot be installed, packages.sh says so and we go on: without Mosquitto
# Yijian still takes presses by HTTP and serial lines, and tests that need it fail and say why.

# What make makes has no business in the repository.
NOT_OURS := (^|/)(node_modules|__pycache__|\.venv|\.venv-tools|dist|build|data)/|\.(pyc|sqlite|sqlite-wal|sqlite-shm|whl|so)$$|(^|/)bench-report\.json$$

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: ## install what running needs; the command is then .venv/bin/yijian
	@config/setup/environment.sh run
	@config/setup/packages.sh mosquitto || true
	@config/setup/console.sh build || echo "The console's pages could not be built; the plain one is served." >&2

.PHONY: run
run: install ## install, then everything in one process with a simulated town
	@exec .venv/bin/yijian run --demo $(ARGS)

.PHONY: install-dev
install-dev:
	@config/setup/environment.sh dev
	@config/setup/packages.sh mosquitto mosquitto-clients openssl faketime postgresql chromium fonts-noto-cjk || true
	@config/setup/console.sh build

.PHONY: test
test: install-dev ## install what testing needs too, then every test (ARGS="-k word" for some)
	@$(if $(strip $(ARGS)),.venv/bin/python -m pytest $(ARGS),config/setup/tests.sh)

.PHONY: crash
crash: install-dev ## the long series of real crashes, and a table (ARGS="-k disk" for some); an hour or so
	@.venv/bin/python tests/crash/series.py $(ARGS)

.PHONY: check
check: ## format, lint, strict types, import rules, generated documents up to date
	@config/setup/environment.sh dev
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/python -m config.document --check
	@.venv/bin/python docs/draw_life.py --check
	@PATH="$$PATH:.venv-tools/bin"; ! command -v uv >/dev/null || uv lock --check --offline --quiet \
		|| { echo "uv.lock does not fit pyproject.toml: make lock" >&2; exit 1; }
	@if git rev-parse --is-inside-work-tree >/dev/null 2>&1 && git ls-files | grep -E '$(NOT_OURS)'; then \
		echo "The files above are made, not written: take them out of the repository." >&2; exit 1; fi

.PHONY: console
console: ## build the console's pages (Node 20.19 or newer, else one from PyPI); the next start serves them
	@config/setup/console.sh build

.PHONY: console-check
console-check: ## lint, types, tests and sizes of the console's pages
	@config/setup/console.sh check

.PHONY: format
format: ## lay the code out, and repair what the linter can
	@config/setup/environment.sh dev
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

.PHONY: docs
docs: ## write the generated documents anew
	@config/setup/environment.sh dev
	@.venv/bin/python -m config.document
	@.venv/bin/python docs/draw_life.py

.PHONY: bench
bench: install-dev ## the benchmarks: bench-report.json and a table (ARGS="--quick" for a first look)
	@.venv/bin/python tests/bench/run.py $(ARGS)

SEEDS ?= 1000
FROM ?= 1
DAY ?= 240

.PHONY: sim
sim: ## nights of the simulated world, with faults and checkers (SEEDS=1000, FROM=1)
	@config/setup/environment.sh dev
	@.venv/bin/yijian simulate world --seeds $(SEEDS) --from $(FROM) --day $(DAY) $(ARGS)

.PHONY: replay
replay: ## one night of the simulated world, told line by line (SEED=n, DAY=seconds)
	@config/setup/environment.sh dev
	@.venv/bin/yijian simulate world --seed $(SEED) --day $(DAY)

.PHONY: sim-mutants
sim-mutants: ## deliberate mistakes in the code, each of which the simulated world must find; writes docs/mutants.md
	@config/setup/environment.sh dev
	@.venv/bin/yijian simulate world --mutants --out docs/mutants.md $(ARGS)

.PHONY: lock
lock: ## write uv.lock anew after a change of dependencies in pyproject.toml
	@config/setup/environment.sh dev
	@PATH="$$PATH:.venv-tools/bin" uv lock $(ARGS)

.PHONY: clean
clean: ## remove what make made; never the data folder
	@rm -rf .venv .venv-tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	@rm -rf bench-report.json *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
