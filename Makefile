# Everything that is done with a checkout; `make` alone lists it.

SHELL   := /bin/bash
PYTHON  ?= python3
IMAGE   ?= exitsnoop
ARGS    ?=
PYTHON3 := .venv/bin/python

# What the tests and the benchmarks need beside Python: PACKAGE[:PROBE], see .ci/apt. Behind -- : only where apt has it.
TEST_NEEDS  := clang:clang llvm:llvm-strip libbpf-dev:/usr/include/bpf/bpf_helpers.h bpftool:bpftool libbpf-tools \
               docker-registry:docker-registry skopeo:skopeo iproute2:ip systemtap-sdt-dev \
               qemu-system-x86:qemu-system-x86_64 busybox-static:busybox lz4:lz4 zstd:zstd \
               -- qemu-system-arm xdp-tools clang-16 clang-19 llvm-19 linux-tools-$(shell uname -r)
BENCH_NEEDS := clang:clang libbpf-dev:/usr/include/bpf/bpf_helpers.h libbpf-tools bpftrace:bpftrace

.DELETE_ON_ERROR:
.PHONY: help run test fuzz check format bench images clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'make run IMAGE=opensnoop ARGS="-o columns"    another image, more arguments (as root)'
	@echo 'make test ARGS="tests/unit -k store"          some tests'
	@echo 'make run PYTHON=python3.13                    another Python, 3.11 or newer, for .venv'

# A terminal's Ctrl-C goes to the whole foreground group, and make always dies of it. `set -m` makes beepy that group;
# only where there is a terminal and make is in its foreground. 130: interrupted before anything was attached.
run: .venv/.run ## run an image until Ctrl-C: IMAGE=exitsnoop, ARGS=
	@read -r _ _ _ _ group _ _ foreground _ </proc/self/stat; \
	if [ "$$group" = "$$foreground" ]; then set -m; fi; \
	$(PYTHON3) -m beepy run $(IMAGE) $(ARGS) || [ $$? -eq 130 ]

test: .venv/.dev ## install what the tests need, run every tier, tell which ran: ARGS=
	@.ci/apt $(TEST_NEEDS) || [ "$$CI" != true ]
	@$(PYTHON3) -m pytest $(ARGS)

fuzz: .venv/.dev ## 1,000,000 broken objects and images, mutated and grown, and bombs (as root): ARGS=
	@export BEEPY_SOAK=$${BEEPY_SOAK:-50}; $(PYTHON3) -m pytest tests/fuzz $(ARGS)

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

# Debian and Ubuntu have python3 without ensurepip, which stands in python3-venv (python3.13-venv for python3.13).
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		found=$$($(PYTHON) -V 2>/dev/null) || found='not there'; \
		echo "beepy needs Python 3.11 or newer; $(PYTHON) is $$found (make PYTHON=... takes another)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/apt $(notdir $(PYTHON))-venv
	@$(PYTHON) -m venv .venv

.venv/.run: pyproject.toml | .venv/bin/python
	@echo 'installing beepy into .venv' >&2
	@$(PYTHON3) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	@echo 'installing beepy, and what its development needs, into .venv' >&2
	@$(PYTHON3) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/.run $@
