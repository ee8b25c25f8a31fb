# Extant. `make demo` and `make test` need nothing but git, make and Swift: what else is missing
# is installed by apt-get.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PACKAGES := libfuse3-dev fuse3 libisal-dev e2fsprogs xfsprogs attr acl pkg-config
PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift
# mke2fs, losetup and their like are no ordinary user's programs.
export PATH := $(PATH):/usr/sbin:/sbin
RELEASE := $(SWIFT) build -c release
# How judge is built; those for whom the engine's own checks matter more than speed say otherwise.
JUDGE_BUILD = $(RELEASE)
define JUDGE
	$(JUDGE_BUILD) --product extant
	$(JUDGE_BUILD) --product judge
	"$$($(JUDGE_BUILD) --show-bin-path)/judge"
endef

.PHONY: help demo test check install torture posix crash kills faults defects fsck-table fuzz bench \
  counts fsck-bench format images clean deps

##@ Build and try

demo: deps ## Make an image, mount it, cut a file in every way, check every byte, e2fsck
	$(RELEASE) --product extant
	$(RELEASE) --product extant-fallocate
	"$$($(RELEASE) --show-bin-path)/extant" demo

test: deps ## All tests
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build

check: deps ## Format, lint, and a build in which a warning is an error
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests
	$(SWIFT) build --build-tests

install: deps ## Program, shim library and C header, below PREFIX (/usr/local)
	$(RELEASE) --static-swift-stdlib --product extant
	$(RELEASE) --static-swift-stdlib --product extant-fallocate
	bin="$$($(RELEASE) --static-swift-stdlib --show-bin-path)"; \
	install -D -m 755 "$$bin/extant" "$(DESTDIR)$(PREFIX)/bin/extant"; \
	install -D -m 755 "$$bin/libextant-fallocate.so" "$(DESTDIR)$(PREFIX)/lib/libextant-fallocate.so"; \
	install -d "$(DESTDIR)$(PREFIX)/sbin"; \
	ln -sf ../bin/extant "$(DESTDIR)$(PREFIX)/sbin/fsck.extant"; \
	install -D -m 644 Sources/ExtantFallocate/include/extant_fallocate.h \
	  "$(DESTDIR)$(PREFIX)/include/extant_fallocate.h"

##@ Judges, each as long as you like: judge and judge NAME --help say what else they take

torture: deps ## 200,000 random operations beside kernel ext4 (OPS=n SEED=n BLOCK=n to choose)
	$(JUDGE) torture --ops $(or $(OPS),200000) \
	  $(if $(SEED),--seed $(SEED)) $(if $(BLOCK),--block-size $(BLOCK))

posix: deps ## POSIX and Linux, call by call, beside kernel ext4 (ARGS="--filter rename/" to choose)
	$(JUDGE) posix $(ARGS)

crash: deps ## Every crash of every two operations: a million states recovered (MINUTES=n SEED=n LENGTH=n)
	$(JUDGE) crash $(if $(SEED),--seed $(SEED)) \
	  $(if $(LENGTH),--length $(LENGTH) --sequences 1000000) \
	  $(if $(MINUTES)$(LENGTH),--minutes $(or $(MINUTES),10))

kills: JUDGE_BUILD = $(SWIFT) build
kills: deps ## 100 daemons killed under load, recovered by us, e2fsck and the kernel (KILLS=n SEED=n; ARGS=--kernel: ext4 itself)
	$(JUDGE) kills --kills $(or $(KILLS),100) $(if $(SEED),--seed $(SEED)) $(ARGS)

faults: deps ## Every request of every workload fails or lies, in every way (ARGS=... to choose)
	$(JUDGE) faults $(ARGS)

defects: JUDGE_BUILD = $(SWIFT) build
defects: deps ## Plant every defect, find and repair it; write the expected reports again
	$(JUDGE) checks recipes
	$(JUDGE) checks reports

fsck-table: JUDGE_BUILD = $(SWIFT) build
fsck-table: deps ## Judge extant fsck by ../shared/e2fsprogs-images; write docs/FSCK-IMAGES.md (root)
	$(JUDGE) checks shared --table

fuzz: deps ## Fuzz opening, checking, repairing, reading of images: 10,000,000 executions or two hours (RUNS=n SECONDS=n JOBS=n CORPUS=folder IMAGES=folder)
	$(RELEASE) --product fuzz --sanitize=fuzzer --scratch-path .build-fuzz \
	  -Xswiftc -DEXTANT_FUZZER -Xswiftc -parse-as-library
	$(if $(RUNS),RUNS=$(RUNS)) $(if $(SECONDS),LIMIT=$(SECONDS)) $(if $(JOBS),JOBS=$(JOBS)) \
	  $(if $(CORPUS),CORPUS="$(CORPUS)") $(if $(IMAGES),IMAGES="$(IMAGES)") \
	  Tests/Fuzz/run.sh .build-fuzz/release/fuzz

##@ Benchmarks

bench: deps ## Cuts at 1,000 to 1,000,000 extents, kernel ext4 beside them; maps in memory; lookups by inodes known
	$(RELEASE) --product bench
	"$$($(RELEASE) --show-bin-path)/bench" cuts
	"$$($(RELEASE) --show-bin-path)/bench" maps
	"$$($(RELEASE) --show-bin-path)/bench" lookups

counts: PACKAGES += valgrind binutils
counts: deps ## Instructions of one lookup, create, write, cut, commit, check: the same on a busy machine
	$(RELEASE) --product bench
	"$$($(RELEASE) --show-bin-path)/bench" counts $(ARGS)

fsck-bench: deps ## extant fsck beside e2fsck, on 100,000 files (FILES=n)
	$(RELEASE) --product extant
	$(RELEASE) --product bench
	"$$($(RELEASE) --show-bin-path)/bench" fsck --files $(or $(FILES),100000)

##@ Housekeeping

help: ## This list
	@awk -F ':.*## ' '/^##@ / { print "\n" substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

format: ## Rewrite the sources in the house format
	$(SWIFT) format format --in-place --parallel --recursive Package.swift Sources Tests

images: deps ## Make the fixture images of Images/ again (root: the kernel fills them)
	Images/make-images.sh

deps: ## Install what is missing (apt-get, sudo where we are not root)
	@missing=(); \
	for package in $(PACKAGES); do \
	  if [[ $$package == pkg-config ]] && command -v pkg-config >/dev/null; then continue; fi; \
	  status=$$(dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null || true); \
	  [[ $$status == installed ]] || missing+=("$$package"); \
	done; \
	(( $${#missing[@]} )) || exit 0; \
	echo "installing: $${missing[*]}"; \
	sudo=(); (( EUID == 0 )) || sudo=(sudo); \
	install=("$${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300); \
	"$${install[@]}" "$${missing[@]}" >/dev/null 2>&1 || \
	  { "$${sudo[@]}" apt-get update -qq; "$${install[@]}" "$${missing[@]}"; }

clean: ## Remove what was built
	rm -rf .build .build-*
