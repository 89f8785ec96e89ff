# Everything that is done with a checkout; `make` alone lists it.

SHELL   := /bin/bash
PYTHON  ?= python3
IMAGE   ?= exitsnoop
ARGS    ?=
PYTHON3 := .venv/bin/python

# Under sudo, what is made in a checkout belongs to the user who called it, if the checkout does: `make test` works
# afterwards, without root. AS_USER runs a command as that user; AS_ROOT runs Python as root, which leaves no bytecode.
# It is empty otherwise: for the user, for real root, and in a checkout that is root's or somebody else's.
AS_USER := $(shell if [ "$$(id -u)" -eq 0 ] && [ "$${SUDO_UID:-0}" -ne 0 ] && [ "$$(stat -c %u .)" = "$$SUDO_UID" ]; \
	then echo "setpriv --reuid=$$SUDO_UID --regid=$$SUDO_GID --init-groups" \
	"env HOME='$$(getent passwd "$$SUDO_UID" | cut -d: -f6)'"; fi)
AS_ROOT := $(if $(AS_USER),PYTHONDONTWRITEBYTECODE=1) $(PYTHON3)
PYTEST  := $(if $(AS_USER),$(AS_USER) $(PYTHON3) -m compileall -q beepy bpf tests; )$(AS_ROOT) -m pytest
PYTEST  += $(if $(AS_USER),-p no:cacheprovider)

# What the tests and the benchmarks need beside Python: PACKAGE[:PROBE], see .ci/apt. Behind -- : only where apt has it.
TEST_NEEDS  := clang:clang llvm:llvm-strip libbpf-dev:/usr/include/bpf/bpf_helpers.h bpftool:bpftool libbpf-tools \
               docker-registry:docker-registry skopeo:skopeo openssl:openssl iproute2:ip systemtap-sdt-dev \
               zsh:zsh fish:fish bash-completion \
               qemu-system-x86:qemu-system-x86_64 busybox-static:busybox crun:/usr/bin/crun lz4:lz4 zstd:zstd \
               tmux:tmux \
               -- qemu-system-arm xdp-tools clang-16 clang-19 llvm-19 linux-perf linux-tools-$(shell uname -r)
BENCH_NEEDS := clang:clang libbpf-dev:/usr/include/bpf/bpf_helpers.h libbpf-tools bpftrace:bpftrace

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help root run test soak fuzz peers check format bench images clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'make run IMAGE=opensnoop ARGS="-o columns"    another image, more arguments (with sudo)'
	@echo 'make test ARGS="tests/unit -k store"          some tests'
	@echo 'make run PYTHON=python3.13                    another Python, 3.11 or newer, for .venv'

root:
	@if [ "$$(id -u)" -ne 0 ]; then \
		for name in PYTHON IMAGE ARGS; do given+=$${!name:+" $$name=$${!name@Q}"}; done; \
		echo "make run: needs root: sudo make run$$given" >&2; exit 1; \
	fi

# A terminal's Ctrl-C goes to the whole foreground group, and make always dies of it. `set -m` makes beepy that group;
# only where there is a terminal and make is in its foreground. 130: interrupted before anything was attached.
run: root .venv/.run ## run an image until Ctrl-C, with sudo: IMAGE=exitsnoop, ARGS=
	@$(if $(AS_USER),$(AS_USER) $(PYTHON3) -m compileall -q beepy)
	@read -r _ _ _ _ group _ _ foreground _ </proc/self/stat; \
	if [ "$$group" = "$$foreground" ]; then set -m; fi; \
	$(AS_ROOT) -m beepy run $(IMAGE) $(ARGS) || [ $$? -eq 130 ]

test: .venv/.dev ## install what the tests need, run every tier, tell which ran: ARGS=
	@.ci/apt $(TEST_NEEDS) || [ "$$CI" != true ]
	@$(PYTEST) $(ARGS)

soak: .venv/.dev ## the tests with random input, and those that kill, 50 times as often: ARGS=
	@.ci/apt $(TEST_NEEDS) || [ "$$CI" != true ]
	@export BEEPY_SOAK=$${BEEPY_SOAK:-50}; $(PYTEST) -m soak $(ARGS)

peers: .venv/.dev ## compare with the programs of others that are on PATH (bee, cosign, ig): ARGS=
	@.ci/apt $(TEST_NEEDS) || [ "$$CI" != true ]
	@$(PYTEST) -m peer $(ARGS) || [ $$? -eq 5 ]

fuzz: .venv/.dev ## 1,000,000 broken objects and images, mutated and grown, and bombs (as root): ARGS=
	@export BEEPY_SOAK=$${BEEPY_SOAK:-50}; $(PYTEST) tests/fuzz $(ARGS)

check: .venv/.dev ## lint, formats, types, layers
	@$(PYTHON3) -m ruff check
	@$(PYTHON3) -m ruff format --check
	@$(PYTHON3) -m mypy
	@.venv/bin/lint-imports
	@if command -v clang-format >/dev/null; then find bpf -name '*.[ch]' -exec clang-format --dry-run --Werror {} +; \
	else echo 'bpf/: format not checked: clang-format is not installed'; fi

format: .venv/.dev ## format Python and C
	@$(PYTHON3) -m ruff check --fix --exit-zero --quiet
	@$(PYTHON3) -m ruff format
	@if command -v clang-format >/dev/null; then find bpf -name '*.[ch]' -exec clang-format -i {} +; \
	else echo 'bpf/: not formatted: clang-format is not installed'; fi

bench: .venv/.dev ## run the benchmarks (as root): ARGS=
	@.ci/apt $(BENCH_NEEDS) || true
	@for file in benchmarks/[a-z]*.py; do \
		name=$${file#benchmarks/}; echo "== $${name%.py}"; \
		$(PYTHON3) -m "benchmarks.$${name%.py}" $(ARGS) || exit; \
	done

images: .venv/.run ## build images/ from bpf/ (needs clang)
	@.ci/apt clang:clang llvm:llvm-strip libbpf-dev:/usr/include/bpf/bpf_helpers.h
	@$(PYTHON3) bpf/build.py images

clean: ## remove .venv, caches, and what was built
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An earlier make may have left a .venv that is root's.
WRITABLE = @[ ! -e .venv ] || $(AS_USER) test -w .venv || { \
	echo '.venv: belongs to another user: sudo make clean removes it' >&2; exit 1; }

# Debian and Ubuntu have python3 without ensurepip, which stands in python3-venv (python3.13-venv for python3.13).
.venv/bin/python:
	$(WRITABLE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		found=$$($(PYTHON) -V 2>/dev/null) || found='not there'; \
		echo "beepy needs Python 3.11 or newer; $(PYTHON) is $$found (make PYTHON=... takes another)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/apt $(notdir $(PYTHON))-venv
	@$(AS_USER) $(PYTHON) -m venv .venv

# pip says much where it finds no package, and nothing of what can be done.
INSTALLED = || { \
	echo "beepy could not be installed: pip's reason is above; it needs the packages in pyproject.toml from an index" \
	'(make run PIP_INDEX_URL=... takes another)' >&2; exit 1; }

.venv/.run: pyproject.toml | .venv/bin/python
	$(WRITABLE)
	@echo 'installing beepy into .venv' >&2
	@$(AS_USER) $(PYTHON3) -m pip install --quiet --disable-pip-version-check --editable '.[tui]' $(INSTALLED)
	@$(AS_USER) touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	$(WRITABLE)
	@echo 'installing beepy, and what its development needs, into .venv' >&2
	@$(AS_USER) $(PYTHON3) -m pip install --quiet --disable-pip-version-check --editable '.[dev]' $(INSTALLED)
	@$(AS_USER) touch .venv/.run $@
