# SPDX-License-Identifier: Apache-2.0
# The front door. Each target installs what it needs (tools/packages.txt), builds what it needs, and does nothing twice; CMake does the
# building, with the presets of CMakePresets.json. `make` alone prints this list.
JOBS ?= $(shell nproc)
SECONDS ?= 30
unexport SECONDS

help:            ## this list
	@awk -F ' *## ' '/^[a-z-]+:.*## / { split($$1, target, ":"); printf "  make %-8s %s\n", target[1], $$2 }' Makefile

setup:           ## install every Debian 12 package that build, test, demo, lint and fuzz need (sudo when not root)
	tools/setup.sh

build:           ## build the release programs: build/bin/vmline, vmline-holder, vmline-keeper
	@tools/setup.sh build
	@cmake --preset release --log-level=NOTICE >/dev/null
	cmake --build --preset release -j $(JOBS)

dev:             ## build programs and unit tests with ASan, UBSan and warnings as errors, into build-dev/
	@tools/setup.sh build test
	@cmake --preset dev --log-level=NOTICE >/dev/null
	cmake --build --preset dev -j $(JOBS)

guests:          ## build the small guests that tests and demo boot, into build/guests/
	@tools/setup.sh build demo
	@tools/build-guests build/guests

demo: build guests  ## a Linux guest whose console survives its reboots and our own death
	VMLINE_BIN=$(CURDIR)/build/bin VMLINE_GUESTS=$(CURDIR)/build/guests demo/demo.sh

test: build dev  ## unit tests (sanitized) and behaviour tests (release programs on real monitors); ONLY=REGEX takes some of them
	tools/run-tests

lint:            ## formatting, clang-tidy, the folders' arrows, what every file must have
	@tools/setup.sh build lint
	@cmake --preset release --log-level=NOTICE >/dev/null
	tools/lint

format:          ## format every C++ file
	@tools/setup.sh lint
	git ls-files -co --exclude-standard '*.cpp' '*.hpp' | xargs -r clang-format-19 -i

fuzz:            ## run every fuzzer for SECONDS=n (30)
	@tools/setup.sh build fuzz
	tools/fuzz $(SECONDS)

clean:           ## remove what was built; packages and the fetched kernel stay
	rm -rf build build-dev build-fuzz

.PHONY: help setup build dev guests demo test lint format fuzz clean
# One target at a time: each is parallel within itself.
.NOTPARALLEL:
