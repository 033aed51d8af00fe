# make            the tool, at .venv/bin/packstack-lite
# make help       everything else

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
TOOL   := $(BIN)/packstack-lite
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := venv
.PHONY: all venv check unit test test-all test-tools quick quick13 allinone bench clean help

venv: $(VENV)/.made ## the tool and its development tools in .venv (the default)

all: venv check unit ## venv, check and unit

# What is installed follows from setup.cfg alone, so only a change there makes it again.
$(VENV)/.made: setup.cfg pyproject.toml
	PYTHON="$(PYTHON)" sh tests/tools/make-venv.sh $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

check: venv ## ruff, mypy --strict and the rules of the house
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -q tests/unit/test_house.py

unit: venv ## unit and golden tests, under a minute, no root, no network
	$(PYTEST) -q tests/unit tests/golden

test-tools: ## what tests/ssh and tests/e2e use of the system (apt, only what is missing)
	sh tests/tools/install.sh

test: check test-tools ## every test, the cloud deployed on a bare sandbox included
	$(PYTEST) -m "not slow" --durations=15 tests/unit tests/golden tests/ssh tests/e2e

test-all: check test-tools ## make test, and what takes longer than CI has
	$(PYTEST) --durations=15 tests/unit tests/golden tests/ssh tests/e2e

quick: venv test-tools ## the cloud's tests on a host whose packages are installed already (a saved tree, made once)
	E2E_TREE=$$($(BIN)/python tests/tools/packages_tree.py debian12-zed debian12) \
	    $(PYTEST) --durations=15 tests/e2e/test_1_cloud.py

quick13: venv test-tools ## the same on Debian 13
	E2E_DEBIAN13_TREE=$$($(BIN)/python tests/tools/packages_tree.py debian13-epoxy debian13) \
	    $(PYTEST) --durations=15 tests/e2e/test_3_debian13.py

allinone: venv ## a cloud in a sandbox on this machine, then proof that it works
	$(TOOL) --allinone --sandbox
	$(TOOL) smoke --sandbox

bench: venv test-tools ## measure the figures that README tells
	$(BIN)/python bench/bench.py

clean: ## remove what make has made here (sandboxes: packstack-lite sandbox down)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14
