# make            the tool, at .venv/bin/packstack-lite
# make help       everything else

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# One process per core; who is done early takes tests from the others. Only for tests without a host.
EVERY_CORE := -n auto --dist worksteal
# Tests with a host run in two lanes where two clouds fit into memory: packages are installed by one processor.
# A lane takes the tests of one cloud after those of another (tests/conftest.py tells which).
LANES  ?= $(shell awk '/^MemTotal/ {print ($$2 > 15000000 ? 2 : 1)}' /proc/meminfo)
IN_LANES := -n $(LANES) --dist loadfile
TOOL   := $(BIN)/packstack-lite
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# What --distro takes besides Debian: el7 and el9, test hosts with CentOS's layout.
export PACKSTACK_LITE_SANDBOX_PLUGINS ?= $(CURDIR)/tests/hosts

# Every test with these options of pytest's: those without a host side by side, then those with one in lanes.
# The second half runs whatever became of the first, and the worse exit code counts.
define both
@worst=0; \
$(PYTEST) $(1) $(EVERY_CORE) tests/unit tests/golden || worst=$$?; \
$(PYTEST) $(1) $(IN_LANES) tests/ssh tests/e2e || { code=$$?; [ $$code -le $$worst ] || worst=$$code; }; \
exit $$worst
endef

.DEFAULT_GOAL := venv
.PHONY: all venv check unit unit-all test test-all test-machine test-tools quick quick13 allinone el7 el9 vagrant-smoke reference bench clean help

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
	$(PYTEST) -q -m "not old_python" $(EVERY_CORE) tests/unit tests/golden

unit-all: venv ## the same on every Python from 3.9 to 3.13, and with the oldest libraries that setup.cfg allows
	sh tests/tools/unit-all.sh .pythons

test-tools: ## what the tests use: of the system (apt, only what is missing), and EL7's Pythons where they are
	sh tests/tools/install.sh
	PYTHON="$(PYTHON)" sh tests/tools/hostside-pythons.sh .pythons

test: check test-tools ## every test, the cloud deployed on a bare sandbox included
	$(call both,-m "not slow and not machine" --durations=15)

test-all: check test-tools ## make test, and what takes longer than CI has
	$(call both,-m "not machine" --durations=15)

test-machine: venv test-tools ## volumes on LVM, encryption and the kernel's own switch, on a sandbox with a kernel of its own
	$(PYTEST) --durations=15 -m machine tests/e2e/test_machine.py

quick: venv test-tools ## the cloud's tests on a host whose packages are installed already (a saved tree, made once)
	E2E_TREE=$$($(BIN)/python tests/tools/packages_tree.py debian12-zed debian12) \
	    $(PYTEST) --durations=15 tests/e2e/test_cloud.py

quick13: venv test-tools ## the same on Debian 13
	E2E_DEBIAN13_TREE=$$($(BIN)/python tests/tools/packages_tree.py debian13-epoxy debian13) \
	    $(PYTEST) --durations=15 tests/e2e/test_debian13.py

allinone: venv ## a cloud in a sandbox on this machine, then proof that it works
	$(TOOL) --allinone --sandbox
	$(TOOL) smoke --sandbox

el7 el9: venv
	$(TOOL) --allinone --sandbox $@ --distro $@
	$(TOOL) smoke --sandbox $@

el7: ## the same in a sandbox with CentOS 7's layout and RDO's Train (tests/hosts)
el9: ## the same in a sandbox with CentOS Stream 9's layout and RDO's Epoxy (tests/hosts)

vagrant-smoke: venv ## a cloud on a machine by Vagrant, looked at with testinfra (PROVIDER=lxc|libvirt|virtualbox BOX=debian12|centos7|centos9s)
	$(BIN)/python tests/tools/vagrant-smoke.py --provider=$(or $(PROVIDER),lxc) --box=$(or $(BOX),debian12) $(if $(KEEP),--keep) -- $(WORDS)

reference: venv ## docs/reference.md, from the tool itself
	$(BIN)/python docs/reference.py

bench: venv test-tools ## measure the figures that README tells
	$(BIN)/python bench/bench.py
	$(BIN)/python bench/multi_node.py

clean: ## remove what make has made here (sandboxes: packstack-lite sandbox down)
	rm -rf $(VENV) .pythons build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14
