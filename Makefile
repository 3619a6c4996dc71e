# Assay: what a developer does, one target each. `make help` lists them.

GO       ?= go
# The Go tool leaves folders named testdata out of ./...; the generator of
# images has tests of its own.
PACKAGES := ./... ./testdata/images/...
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 10s

# Debian's toolchain, also where another one stands first on PATH: the
# committed probes are built with it, and only it gives the same bytes.
export RUSTC ?= /usr/bin/rustc
export CARGO ?= /usr/bin/cargo
export RUSTDOC ?= /usr/bin/rustdoc

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what the build and the tests use (on Debian, as root; else say what is missing)
	@.ci/setup

.PHONY: build
build: ## build the command into bin/assay
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X github.com/assay-dev/assay/internal/buildinfo.linked=$(VERSION)' -o bin/assay ./cmd/assay

.PHONY: demo
demo: setup build ## look at good and hostile images, and convert one
	@docs/demo.sh

.PHONY: probes
probes: ## build the probes from source into probes/wasm
	$(GO) run ./probes/internal/build

.PHONY: probes-equal
probes-equal: # fail when the committed probes are not what their source builds
	@if [ -x "$(RUSTC)" ] || [ -n "$(CI)" ]; then \
		echo '$(GO) run ./probes/internal/build -check'; \
		$(GO) run ./probes/internal/build -check; \
	else \
		echo 'probes: not rebuilt, $(RUSTC) is not installed'; \
	fi

.PHONY: parsers
parsers: # run the tests of the probes' parsers natively, and of the guide to them
	@if [ -x "$(CARGO)" ] || [ -n "$(CI)" ]; then \
		echo '$(CARGO) test in probes/src'; \
		said=$$(cd probes/src && $(CARGO) test --offline --locked --quiet 2>&1) || { echo "$$said"; exit 1; }; \
	else \
		echo 'parsers: not tested natively, $(CARGO) is not installed'; \
	fi

.PHONY: test
test: setup probes-equal parsers ## run the tests, real tools included (under 5 minutes)
	$(GO) test -timeout 30m $(PACKAGES)

# Fuzzing is not part of it: what it finds differs from run to run, and a gate
# must not. Its seeds, and what it once found, run with every test.
.PHONY: test-full
test-full: test race cross ## all of the above, the race detector, other systems (under 25 minutes)

# With ASSAY_LONG, tests that try many variants try them all.
.PHONY: test-long
test-long: ## the tests of real tools on every variant: more images, more conversions (an hour)
	ASSAY_LONG=1 $(GO) test -timeout 3h -run 'Differential|Mutants|LUKSToDevice|ChangedMetadata|WhileWritten|Outputs|Matrix|SourcesOn|NoSpace|CancelledAny|Killed|MeetsCPU' ./engine ./cmd/assay ./native/qemuimg

.PHONY: test-vm
test-vm: ## the tests of the confinement in a machine with control groups of version 2 (some minutes)
	@.ci/vm

# Short leaves out the tests that do much, but one thing after the other.
.PHONY: race
race:
	CGO_ENABLED=1 $(GO) test -short -timeout 30m -race $(PACKAGES)

# Inspection runs on every system; the native side is Linux's. s390x stands
# for the big-endian ones.
.PHONY: cross
cross: ## build and vet for other systems and byte orders
	@set -e; for target in linux/arm64 linux/s390x darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do \
		echo "vet $$target"; \
		GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0 $(GO) vet $(PACKAGES); \
		GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0 $(GO) build $(PACKAGES); \
	done

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s); FUZZING.md says how to run them for long
	@set -e; for package in $$($(GO) list $(PACKAGES)); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "fuzz $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done

.PHONY: bench
bench: ## run the benchmarks, then measure beside the alternatives: benchmarks/results.md
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)
	@native=; if [ -x "$(CARGO)" ]; then \
		(cd probes/src && $(CARGO) build --offline --locked --quiet --profile native --package native) || exit 1; \
		native=probes/src/target/native/native; \
	fi; \
	echo "$(GO) run ./benchmarks/compare -native '$$native' -out benchmarks/results.md"; \
	$(GO) run ./benchmarks/compare -native "$$native" -out benchmarks/results.md

.PHONY: generate
generate: ## regenerate what is generated: tables, headers, docs
	$(GO) generate $(PACKAGES)

.PHONY: check
check: ## formatting, vet, staticcheck, and that everything generated is up to date
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || \
		{ echo "not formatted, run \`gofmt -w\`: $$unformatted"; exit 1; }
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(GO) run ./probes/internal/build -check
	@before=$$(git status --porcelain; git diff); \
	$(MAKE) --no-print-directory generate; \
	after=$$(git status --porcelain; git diff); \
	test "$$before" = "$$after" || \
		{ git status --short; echo 'generated files were not up to date: commit what `make generate` made of them'; exit 1; }

.PHONY: clean
clean: ## remove what was built
	rm -rf bin probes/src/target
