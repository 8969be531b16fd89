# What people do with this tree. Everything is made once and again only when what it is made of has changed.
PYTHON ?= python3
PORT ?= 8000
N ?= 1000000

PIP := -m pip --disable-pip-version-check --no-input --quiet
SOURCES := $(sort pyproject.toml setup.py LICENSE $(wildcard README.md) $(shell find src -type f \( -name '*.py' -o -name '*.json' -o -name py.typed \)))
BUILT := find build -mindepth 1 -maxdepth 1 \( -name 'lib*' -o -name 'bdist*' \) -exec rm -rf {} +

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help serve test test-compiled bench soak check format wheel wheel-compiled clean FORCE
MAKEFLAGS += --no-builtin-rules

help:
	@echo 'make serve           the tour site on http://127.0.0.1:$(PORT)/ (PORT= chooses another port)'
	@echo 'make test            the tests, on the wheel (T= chooses some: make test T="tests/http -k ranges")'
	@echo 'make test-compiled   the same on the wheel compiled by mypyc'
	@echo 'make check           style, types and layers'
	@echo 'make format          bring the style in order'
	@echo 'make bench           us beside the other servers (B= hands options to benchmarks/run.py)'
	@echo 'make soak            a million requests: memory flat (N= chooses how many); reloads, recycles, kills under load: none lost'
	@echo 'make wheel           dist/pure/penstock-...-py3-none-any.whl'
	@echo 'make wheel-compiled  dist/compiled/penstock-...whl, for this Python and machine'
	@echo 'make clean           remove everything made here'

# --- what people call -----------------------------------------------------------------------------------------------

serve: .venv/tour .venv/penstock examples/tour/venv/penstock
	.venv/bin/penstock serve examples/tour/penstock.toml --port $(PORT)

test: .venv/test .venv/penstock
	@.ci/system-packages browser web
	PENSTOCK_WHEEL=pure .venv/bin/python -m pytest $(T)

test-compiled: .venv-compiled/test .venv-compiled/penstock
	@.ci/system-packages browser web
	PENSTOCK_WHEEL=compiled .venv-compiled/bin/python -m pytest $(T)

check: check-style check-types check-layers

format: .venv/check
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format

bench: .venv-bench/guests .venv-bench/penstock .venv-bench-compiled/guests .venv-bench-compiled/penstock .venv-peers/peers
	@.ci/system-packages bench
	.venv-bench/bin/python benchmarks/run.py $(B)

soak: .venv/test .venv/penstock
	.venv/bin/python -m tests.soak.memory $(N)
	.venv/bin/python -m tests.soak.lossless

wheel: dist/pure/built
wheel-compiled: dist/compiled/built

clean:
	rm -rf .venv .venv-compiled .venv-bench .venv-bench-compiled .venv-peers examples/tour/venv
	rm -rf build dist src/penstock.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache benchmarks/scratch
	find src tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

# --- the parts of check: `make -k check` runs every one, whatever failed before --------------------------------------

.PHONY: check-style check-types check-layers

check-style: .venv/check
	.venv/bin/ruff check
	.venv/bin/ruff format --check

# One cache per platform: a cache of another one is thrown away whole.
check-types: .venv/check
	.venv/bin/mypy
	.venv/bin/mypy --platform win32 --cache-dir .mypy_cache/win32 src
	.venv/bin/mypy --platform darwin --cache-dir .mypy_cache/darwin src

check-layers: .venv/check
	PYTHONPATH=src .venv/bin/lint-imports

# --- wheels ---------------------------------------------------------------------------------------------------------

# A module that was removed is a change too.
build/sources: FORCE
	@mkdir -p build
	@printf '%s\n' $(SOURCES) | cmp -s - $@ || printf '%s\n' $(SOURCES) > $@

dist/pure/built: $(SOURCES) build/sources requirements/runtime.txt | .venv/runtime
	rm -rf dist/pure
	@$(BUILT)
	.venv/bin/python $(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist/pure .
	@touch $@

dist/compiled/built: $(SOURCES) build/sources requirements/compile.txt | .venv-compiled/compile
	@.ci/system-packages compiler
	rm -rf dist/compiled
	@$(BUILT)
	PENSTOCK_COMPILE=1 .venv-compiled/bin/python $(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist/compiled .
	@touch $@

.venv/penstock .venv-bench/penstock: %/penstock: dist/pure/built | %/runtime
	$*/bin/python $(PIP) install --no-deps --force-reinstall dist/pure/*.whl
	@touch $@

# The environment of the tour's pool: another Flask, and Penstock's core.
examples/tour/venv/penstock: dist/pure/built requirements/tour-power.txt requirements/runtime.txt
	@.ci/system-packages python
	$(PYTHON) -m venv examples/tour/venv
	examples/tour/venv/bin/python $(PIP) install -r requirements/tour-power.txt
	examples/tour/venv/bin/python $(PIP) install --no-deps --force-reinstall dist/pure/*.whl
	@touch $@

.venv-compiled/penstock .venv-bench-compiled/penstock: %/penstock: dist/compiled/built | %/runtime
	$*/bin/python $(PIP) install --no-deps --force-reinstall dist/compiled/*.whl
	@touch $@

# --- environments: one file per list of requirements says that it is installed -------------------------------------

.venv/python .venv-compiled/python .venv-bench/python .venv-bench-compiled/python .venv-peers/python: %/python:
	@.ci/system-packages python
	$(PYTHON) -m venv $*
	@touch $@

define installs
%/$(1): requirements/$(1).txt $(2) %/python
	$$*/bin/python $(PIP) install -r $$<
	@touch $$@
endef

$(eval $(call installs,runtime,))
$(eval $(call installs,tour,requirements/runtime.txt))
$(eval $(call installs,guests,requirements/tour.txt requirements/runtime.txt))
$(eval $(call installs,test,requirements/tour.txt requirements/runtime.txt))
$(eval $(call installs,check,requirements/test.txt requirements/tour.txt requirements/runtime.txt))
$(eval $(call installs,compile,requirements/runtime.txt))
$(eval $(call installs,peers,))
.PRECIOUS: %/runtime %/tour %/test %/check %/compile %/peers %/python
