# Tools and servers lie in .build, the programs in bin.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 20s
IMAGE ?= leaderboard

BASE ?= main~1
COUNT ?= 10
RESULTS ?= .build/bench
# The packages that have Go benchmarks.
BENCHMARKS := . ./consumer ./projector ./query
BENCHSTAT := go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT := $(CURDIR)/.build/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint

.PHONY: help
help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/projector, bin/query and bin/leaderboard
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/ ./cmd/projector ./cmd/query ./cmd/leaderboard

.PHONY: run
run: build ## Run all of it in one process: bin/leaderboard dev
	bin/leaderboard dev

.PHONY: image
image: export GOOS := linux
image: build ## Build the container image from the programs in bin (IMAGE=leaderboard)
	docker build --quiet --file deploy/Dockerfile --target prebuilt --build-arg VERSION=$(VERSION) --tag $(IMAGE) .

.PHONY: demo
demo: image ## Show a living board and its dashboard: Kafka, Redis, Prometheus and Grafana in containers
	LEADERBOARD_IMAGE=$(IMAGE) docker compose --file deploy/compose.yaml --env-file deploy/demo.env up

.PHONY: test
test: servers build ## Run all tests with the race detector, end to end on a real Kafka and a real Redis
	go test -race ./...
	@# Without package arguments go test shows what it ran on.
	@for dir in $$(go list -C test -f '{{.Dir}}' ./...); do \
		echo "go test -race in $${dir#$(CURDIR)/}"; \
		BIN_DIR=$(CURDIR)/bin go test -C "$$dir" -race -count=1 -timeout 15m; \
	done

.PHONY: test-images
test-images: servers build ## Build the image from the source in a container, and run all images as make test does
	IMAGES=all BIN_DIR=$(CURDIR)/bin go test -C test/deploy -run 'Image|Container|Composition' -count=1 -v -timeout 1h

.PHONY: test-faults
test-faults: servers build ## Kill, freeze, empty and cut off every part under load (SEED=, RUNS=, RELIABILITY_TABLE=docs/reliability.md)
	FAULTS=all BIN_DIR=$(CURDIR)/bin RELIABILITY_TABLE=$(if $(RELIABILITY_TABLE),$(abspath $(RELIABILITY_TABLE))) \
		go test -C test/faults -count=1 -v -timeout 3h

.PHONY: test-backlog
test-backlog: servers build ## Apply a log of 5M records within 256 MiB of memory (BACKLOG=)
	BACKLOG=$(or $(BACKLOG),5000000) BIN_DIR=$(CURDIR)/bin go test -C test/backlog -count=1 -v -timeout 1h

.PHONY: bench
bench: servers build ## Measure beside the ceilings on a real Kafka and a real Redis (BENCH=full, ONLY=apply/uniform)
	BIN_DIR=$(CURDIR)/bin BENCH=$(BENCH) BENCHMARKS_DOCUMENT=$(if $(ONLY),,$(CURDIR)/docs/benchmarks.md) \
		go test -C test/bench -run '^$$' -bench 'Leaderboard/$(ONLY)' -benchtime 1x -timeout 3h

.PHONY: bench-micro
bench-micro: ## Run the Go benchmarks of decoding, encoding, folding and answering (COUNT=10, RESULTS=.build/bench)
	@mkdir -p $(RESULTS)
	go test -run '^$$' -bench . -benchmem -benchtime 200ms -count $(COUNT) $(BENCHMARKS) | tee $(RESULTS)/micro.txt

.PHONY: bench-compare
bench-compare: ## Compare the Go benchmarks with those of a commit, by turns (BASE=main~1, COUNT=10)
	@mkdir -p $(RESULTS)
	@rm -f $(RESULTS)/base.txt $(RESULTS)/now.txt
	@work=$$(mktemp -d); \
	trap 'git worktree remove --force $$work/tree; rm -r $$work' EXIT; \
	git worktree add --quiet --detach $$work/tree $(BASE); \
	go test -C $$work/tree -c -o $$work/base/ $(BENCHMARKS); \
	go test -c -o $$work/now/ $(BENCHMARKS); \
	for round in $$(seq $(COUNT)); do \
		for side in base now; do \
			for package in $$work/$$side/*.test; do \
				$$package -test.run '^$$' -test.bench . -test.benchmem -test.benchtime 200ms >> $(RESULTS)/$$side.txt; \
			done; \
		done; \
	done
	$(BENCHSTAT) $(RESULTS)/base.txt $(RESULTS)/now.txt

.PHONY: dashboard-picture
dashboard-picture: servers build ## Draw docs/images/dashboard.svg: the dashboard's panels, of two minutes of real servers under load
	DASHBOARD_PICTURE=$(CURDIR)/docs/images/dashboard.svg BIN_DIR=$(CURDIR)/bin go test -C test -run TestDashboardPicture -count=1 -v .

.PHONY: page-picture
page-picture: servers build ## Draw docs/images/page.png: the page of leaderboard dev
	PAGE_PICTURE=$(CURDIR)/docs/images/page.png BIN_DIR=$(CURDIR)/bin go test -C test -run TestPagePicture -count=1 -v .

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Check the format and run golangci-lint on both modules
	$(GOLANGCI_LINT) run ./...
	cd test && $(GOLANGCI_LINT) run --config ../.golangci.yml ./...

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format both modules
	$(GOLANGCI_LINT) fmt ./...

.PHONY: docs
docs: ## Write what docs/configuration.md says of flags and commands anew
	UPDATE=1 go test -p 1 -count 1 -run 'SettingsAreDocumented' ./cmd/...

.PHONY: fuzz
fuzz: ## Fuzz each fuzz target for FUZZTIME (20s)
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"; \
		done; \
	done

.PHONY: fuzz-api
fuzz-api: servers build .build/schemathesis/ready ## Fuzz the API with schemathesis, by its OpenAPI document, on a real Redis (SEED=1)
	SCHEMATHESIS=$(CURDIR)/.build/schemathesis/bin/schemathesis SEED=$(SEED) BIN_DIR=$(CURDIR)/bin \
		go test -C test -run '^TestFuzzAPI$$' -count=1 -v .

.PHONY: servers
servers: .build/kafka .build/asyncapi .build/python/ready ## Install and fetch what the tests need, where it is missing: Redis, Kafka, Prometheus, Chromium, Docker, clients of Kafka
	@$(call install,redis-server,redis-server)
	@$(call install,prometheus,prometheus)
	@$(call install,chromium,chromium)
	@$(call install,curl,curl)
	@$(call install,gcc,gcc libc6-dev)
	@$(call install,javac,default-jdk-headless)
	@$(call install,kcat,kcat)
	@if ! docker version >/dev/null 2>&1; then $(call install,dockerd,docker.io); $(call install,docker,docker-cli); $(call install,busybox,busybox-static); fi
	@if ! docker compose version >/dev/null 2>&1; then $(MAKE) --no-print-directory .build/docker/cli-plugins/docker-compose; fi

.PHONY: clean
clean: ## Remove bin and .build
	rm -rf bin .build

.build/kafka: test/kafka/pom.xml
	@$(call install,mvn,maven)
	rm -rf $@ $@.part
	mvn -q -B -ntp -Dstyle.color=never -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$@.part
	mv $@.part $@
	touch $@

# The parser that holds docs/events/asyncapi.yaml against the specification.
.build/asyncapi: test/documents/asyncapi/package.json
	@$(call install,npm,nodejs npm)
	rm -rf $@ $@.part
	mkdir -p $@.part
	cp $< $@.part
	npm install --prefix $@.part --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel error
	mv $@.part $@
	touch $@

# What the example in Python publishes with, and what fuzzes the API.
.build/python/ready: docs/examples/requirements.txt
.build/schemathesis/ready: test/schemathesis/requirements.txt
.build/python/ready .build/schemathesis/ready:
	@python3 -c 'import ensurepip' 2>/dev/null || { $(call install,python3-venv,python3-venv); }
	rm -rf $(@D)
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

.build/docker/cli-plugins/docker-compose: test/compose/go.mod
	go build -C test/compose -trimpath -o $(CURDIR)/$@ github.com/docker/compose/v2/cmd
	touch $@

$(GOLANGCI_LINT):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

# install,PROGRAM,PACKAGES installs Debian packages when the program is not on PATH.
define install
if ! command -v $(1) >/dev/null; then \
	if ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then \
		echo "$(1) is not on PATH; install it (on Debian as root: apt-get install $(2)), then run make again" >&2; exit 1; \
	fi; \
	apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2); \
fi
endef
