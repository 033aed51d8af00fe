# make            the tool, at .venv/bin/packstack-lite
# make help       everything else

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# Two processes per core: a test that waits for a program leaves its core to another. An idle process takes tests from
# the others. Only for tests without a node.
PER_CORE := -n $(shell echo $$((2 * $$(nproc)))) --dist worksteal
# Tests with a node run in two processes where memory has room for two clouds: installing packages uses one processor.
# A process runs all tests of a cloud, then those of another (tests/conftest.py: CLOUDS).
LANES  ?= $(shell awk '/^MemTotal/ {print ($$2 > 15000000 ? 2 : 1)}' /proc/meminfo)
PER_CLOUD := -n $(LANES) --dist loadfile
TOOL   := $(BIN)/packstack-lite
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Without compiled files each process of the tests compiles the tool, and pytest the tests: 5 s of CPU in each at least.
unexport PYTHONDONTWRITEBYTECODE
# Plug-ins of --distro: el7 and el9, test nodes with CentOS's layout.
export PACKSTACK_LITE_SANDBOX_PLUGINS ?= $(CURDIR)/tests/hosts

# Run all tests with these pytest options: first those without a node, then those with one.
# The second part runs also where the first fails; the higher exit code counts.
define both
@worst=0; \
$(PYTEST) $(1) $(PER_CORE) tests/unit tests/golden || worst=$$?; \
$(PYTEST) $(1) $(PER_CLOUD) tests/ssh tests/e2e || { code=$$?; [ $$code -le $$worst ] || worst=$$code; }; \
exit $$worst
endef

.DEFAULT_GOAL := venv
.PHONY: all venv check unit unit-all fuzz test test-all test-machine test-faults test-tools quick quick13 allinone el7 el9 vagrant-smoke reference bench clean help

venv: $(VENV)/.made ## install the tool and its development tools in .venv (the default)

all: venv check unit ## run venv, check and unit

# setup.cfg decides what is installed: only a change there installs again.
$(VENV)/.made: setup.cfg pyproject.toml
	PYTHON="$(PYTHON)" sh tests/tools/make-venv.sh $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

check: venv ## run ruff, mypy --strict and the rules of the code (test_house.py)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -q tests/unit/test_house.py

unit: venv ## run the unit and golden tests: no root, no network
	$(PYTEST) -q -m "not old_python" $(PER_CORE) tests/unit tests/golden

unit-all: venv ## run unit on Python 3.9 to 3.13, and with the oldest libraries that setup.cfg allows
	sh tests/tools/unit-all.sh .pythons

fuzz: venv ## give each input of the tool damaged texts for FUZZ_MINUTES=N in all (default 30): test_fuzz.py
	FUZZ_MINUTES=$(or $(FUZZ_MINUTES),30) $(PYTEST) -q -s tests/unit/test_fuzz.py

test-tools: ## install what the tests use: missing system tools (apt), environments of EL7's Pythons where pyenv has these
	sh tests/tools/install.sh
	PYTHON="$(PYTHON)" sh tests/tools/hostside-pythons.sh .pythons

test: export PROPERTY_EXAMPLES ?= 100
test: check test-tools ## run every test that CI runs, clouds in sandboxes included
	$(call both,-m "not slow and not machine" --durations=15)

test-all: export PROPERTY_EXAMPLES ?= 200
test-all: check test-tools ## run make test, and the tests that take longer
	$(call both,-m "not machine" --durations=15)

test-machine: venv test-tools ## test LVM volumes, encryption and the kernel's switch, in a virtual machine
	$(PYTEST) --durations=15 -m machine tests/e2e/test_machine.py

test-faults: venv test-tools ## interrupt a deployment in every phase, build every fault on its cloud, and run smoke after each (hours)
	FAULTS_SMOKE=each $(PYTEST) --durations=15 tests/e2e/test_faults.py

quick: venv test-tools ## test the cloud on a node with its packages installed already (a saved tree, made once)
	E2E_TREE=$$($(BIN)/python tests/tools/packages_tree.py debian12-zed debian12) \
	    $(PYTEST) --durations=15 tests/e2e/test_cloud.py

quick13: venv test-tools ## run quick on Debian 13
	E2E_DEBIAN13_TREE=$$($(BIN)/python tests/tools/packages_tree.py debian13-epoxy debian13) \
	    $(PYTEST) --durations=15 tests/e2e/test_debian13.py

allinone: venv ## deploy a cloud in a sandbox on this machine, and test it (smoke)
	$(TOOL) --allinone --sandbox
	$(TOOL) smoke --sandbox

el7 el9: venv
	$(TOOL) --allinone --sandbox $@ --distro $@
	$(TOOL) smoke --sandbox $@

el7: ## deploy and test a cloud in a sandbox with CentOS 7's layout and RDO's Train (tests/hosts)
el9: ## deploy and test a cloud in a sandbox with CentOS Stream 9's layout and RDO's Epoxy (tests/hosts)

vagrant-smoke: venv ## deploy a cloud on a Vagrant machine, and test it with testinfra (PROVIDER=lxc|libvirt|virtualbox BOX=debian12|centos7|centos9s)
	$(BIN)/python tests/tools/vagrant-smoke.py --provider=$(or $(PROVIDER),lxc) --box=$(or $(BOX),debian12) $(if $(KEEP),--keep) -- $(WORDS)

reference: venv ## write docs/reference.md from the tool itself
	$(BIN)/python docs/reference.py

bench: venv test-tools ## measure the figures of README
	$(BIN)/python bench/bench.py
	$(BIN)/python bench/multi_node.py
	$(BIN)/python bench/nodes.py

clean: ## remove what make has created here (not sandboxes: packstack-lite sandbox down)
	rm -rf $(VENV) .pythons build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14
