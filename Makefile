# The usual ways in. CMake does the work: see CMakePresets.json for the builds behind these.
.DEFAULT_GOAL := help
.PHONY: help setup demo test bench coverage fuzz campaign install format lint clean

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 6171
# What a user gets needs no test packages, and no newer compiler's warning may stop it.
PLAIN := -DBATPAK_TESTS=OFF -DBATPAK_BENCH=OFF -DBATPAK_WERROR=OFF

help: ## this text
	@echo "batpak: an embedded event store"
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

setup: ## install the Debian packages for building and testing
	@tools/setup.sh test

demo: ## build it and watch it work on this machine's package log and git history
	@tools/setup.sh demo
	@mkdir -p build
	@echo "Building (build/release) ..."
	@{ cmake --preset release $(PLAIN) && cmake --build --preset release; } >build/demo-build.log 2>&1 \
		|| { cat build/demo-build.log; exit 1; }
	@tools/demo.sh

test: ## every test and check, under the sanitizers too (20 minutes at most)
	@tools/setup.sh test
	@tools/test.sh

bench: ## this machine's figures, beside the bare disk and other stores
	@tools/setup.sh bench || tools/setup.sh demo # without the peers then
	@cmake --preset release $(PLAIN) -DBATPAK_BENCH=ON >/dev/null
	@cmake --build --preset release
	@build/release/batpak-bench

coverage: ## what of src/ the tests run, by file (fails below 97 % of the lines, 90 % of the branches)
	@tools/setup.sh test
	@cmake --preset coverage >/dev/null
	@cmake --build --preset coverage
	@find build/coverage -name '*.gcda' -delete
	@ctest --preset coverage -j "$$(nproc)" -LE '^(tools|install|python)$$' --output-on-failure
	@tools/coverage.py build/coverage --least 97 90

fuzz: ## every fuzz target for FUZZ_SECONDS (24 hours in all)
	@tools/setup.sh test
	@tools/fuzz.sh seeds
	@tools/fuzz.sh run $(FUZZ_SECONDS)

campaign: ## the long crash and fault runs, and a day of fuzzing
	@tools/setup.sh test
	@cmake --preset release >/dev/null
	@cmake --build --preset release
	@BATPAK_CAMPAIGN=1 BATPAK_LEDGER=$(CURDIR)/build/release/sim.ledger ctest --preset release -L '^campaign$$'
	@build/release/batpak-bench --campaign # a hundred million events, 25 GB of disk
	@tools/oss_fuzz.sh
	@tools/fuzz.sh run $(FUZZ_SECONDS)

install: ## build and install below PREFIX (default /usr/local)
	@tools/setup.sh demo
	@cmake -S . -B build/install -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$(PREFIX)"
	@cmake --build build/install
	@cmake --install build/install

format: ## put the C sources into the house's layout
	@find include src cli tests bench examples -name '*.[ch]' -not -path '*/golden/*' 2>/dev/null \
		| xargs -r clang-format -i

lint: ## clang-format and clang-tidy, changing nothing
	@tools/lint.sh

clean: ## remove build/
	@rm -rf build
