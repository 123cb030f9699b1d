# SPDX-License-Identifier: Apache-2.0
build:
	cmake --preset release && cmake --build --preset release
.PHONY: build
