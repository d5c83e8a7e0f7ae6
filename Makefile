# gatelab: every target is a thin call of bin/harness or bin/gateway.
# `make help` lists them; without make, call the binaries.

STAGE   ?= cache
PROFILE ?= full
RUNTIME ?=
FAULT   ?= kill-gateway
DURATION ?=
SEED    ?=
ARGS    ?=
BASE    ?= HEAD
PATCH   ?=
SLO     ?= p99<50ms,errors<0.1%
PRICES  ?= prices/own.yaml
WITH    ?= nginx
POLICY  ?=
NODES   ?= 2

GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOLANGCI_VERSION := v2.5.0

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help build allocations chart scenario chaos serve gate compare capacity scale cost up down kube-up kube-down kube-status doctor dashboards alerts conformance release test test-short lint bench pgo recording deps clean

help: ## prints this list
	@awk 'BEGIN{FS=":.*## "} /^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n  make scenario STAGE=baseline|pool|cache|limits|multi|edge|all PROFILE=full|smoke\n'

build: ## builds bin/gateway and bin/harness, static
	@test -x bin/harness || echo 'building bin/gateway and bin/harness: the first time takes some minutes'
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/gateway ./gateway
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/harness ./harness

scenario: build ## measures one stage of the ladder, or STAGE=all: lab up, attack, report, lab down
	@bin/harness run scenarios/ladder.yaml --stage '$(STAGE)' --profile '$(PROFILE)' $(if $(RUNTIME),--runtime '$(RUNTIME)') $(ARGS)

chaos: build ## injects faults into a loaded lab: FAULT=kill-gateway|…|game-day|alert-drill|all, DURATION=60m, SEED=7
	@bin/harness chaos '$(FAULT)' --profile '$(PROFILE)' $(if $(DURATION),--duration '$(DURATION)') $(if $(SEED),--seed '$(SEED)') $(if $(RUNTIME),--runtime '$(RUNTIME)') $(ARGS)

serve: build ## shows all runs in a browser, at http://127.0.0.1:8090; ARGS='--listen host:port'
	@bin/harness serve $(ARGS)

gate: build ## compares BASE=<git ref>'s gateway with the working tree's: pass, regression or inconclusive (make ends with 2 for all but a pass; bin/harness gate has a code for each)
	@bin/harness gate --base '$(BASE)' --reports reports $(if $(PATCH),--patch '$(PATCH)') $(if $(filter smoke,$(PROFILE)),--profile smoke) $(if $(RUNTIME),--runtime '$(RUNTIME)') $(ARGS)

compare: build ## compares gateways under the same policies: WITH=nginx,haproxy,caddy (default nginx) POLICY=plain,cached PROFILE=full|scale|operations|faults|all|smoke
	@bin/harness compare --with '$(WITH)' --profile '$(PROFILE)' $(if $(POLICY),--policy '$(POLICY)') $(if $(RUNTIME),--runtime '$(RUNTIME)') $(ARGS)

capacity: build ## finds the highest rate within SLO='p99<50ms,errors<0.1%' of one stage, with 1, 2 and 3 replicas (PROFILE=scaling: small ones, for the scalability law); STAGE=all: of every stage
	@bin/harness capacity scenarios/ladder.yaml --stage '$(STAGE)' --slo '$(SLO)' --profile '$(PROFILE)' $(if $(RUNTIME),--runtime '$(RUNTIME)') $(ARGS)

scale: build ## measures what one Redis and one Postgres carry of many replicas
	@bin/harness scale redis --profile '$(PROFILE)' $(if $(RUNTIME),--runtime '$(RUNTIME)')
	@bin/harness scale postgres $(if $(RUNTIME),--runtime '$(RUNTIME)')

cost: build ## computes a monthly bill from the newest run of a scenario, and compares it with published ones: PRICES=mine.yaml
	@bin/harness cost --prices '$(PRICES)' $(ARGS)

up: build ## starts the stack to use by hand: three gateways, balancer, Postgres, Redis, origin, Prometheus, Alertmanager
	@bin/harness up scenarios/ladder.yaml $(if $(RUNTIME),--runtime '$(RUNTIME)') $(ARGS)

down: build ## removes what `make up` started
	@bin/harness down $(ARGS)

kube-up: ## starts a real Kubernetes of NODES nodes (2) on this machine, for RUNTIME=kubernetes; as root, the first time builds for some 15 minutes
	@deploy/kubernetes/cluster/cluster.sh up $(NODES)

kube-down: ## takes it down, without a trace
	@deploy/kubernetes/cluster/cluster.sh down

kube-status: ## says how its nodes are
	@deploy/kubernetes/cluster/cluster.sh status

doctor: build ## checks and measures this machine, and says what can be concluded here
	@bin/harness doctor $(ARGS)

# GRAFANA_URL, GRAFANA_TOKEN and PROMETHEUS_URL reach the program as variables of
# its environment: command lines are visible to every user of the machine.
dashboards: build ## imports the dashboards into a Grafana: GRAFANA_URL=... GRAFANA_TOKEN=... [PROMETHEUS_URL=...] [ARGS=--overwrite]
	@bin/harness dashboards $(ARGS)

alerts: deps ## checks the alert rules and runs their cases: firing, silent, resolved
	@promtool check rules alerts/*.rules.yaml
	@promtool test rules alerts/tests/*.test.yaml
	@promtool check config --syntax-only deploy/prometheus/prometheus.yml
	@amtool check-config deploy/prometheus/alertmanager.yml
	@$(GO) test ./alerts ./dashboards

chart: ## lints and renders the Helm chart, and decodes its objects; with GATELAB_TEST_KUBECONFIG also installs it
	@cd deploy/kubernetes/charttest && CGO_ENABLED=0 $(GO) test -count=1 .

conformance: deps ## runs go-kong's own tests against our Admin API; known failures are listed in gateway/testdata/conformance.txt
	$(GO) test -count=1 -v -run '^TestConformance$$' ./gateway

release: ## makes dist/: archives, container images, deb and rpm packages, SBOM, Homebrew formula and checksums; VERSION=1.2.3
	@deploy/release/release.sh $(if $(filter command line,$(origin VERSION)),'$(VERSION)')

deps: ## installs what tests and labs without containers need (apt-get or brew, if this user may)
	@sh deploy/deps.sh

test: deps ## runs all tests, with the race detector, against real PostgreSQL and Redis
	CGO_ENABLED=1 GOFLAGS='$(GOFLAGS) -pgo=off' $(GO) test -race -timeout 15m ./...

test-short: ## runs the tests that need no server
	$(GO) test -short -timeout 5m ./...

lint: ## runs golangci-lint with the import rules; installs it into bin/ on first use
	@test -x bin/golangci-lint || GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@bin/golangci-lint run --allow-parallel-runners ./...

allocations: ## fails where a request allocates, or what is idle holds, more than allowed; without the race detector, so make test does not
	@$(GO) test -count=1 -run '^(TestAllocationsPerRequest|TestAnIdle(Connection|Tunnel)NeedsLittleMemory)$$' ./gateway/internal/proxy

bench: ## runs the Go benchmarks; output in benchstat's format
	$(GO) test -run '^$$' -bench . -benchmem ./...

pgo: build ## profiles the gateway under load, for gateway/default.pgo; on a quiet machine, after larger changes
	@deploy/pgo/pgo.sh

recording: ## records the first command of the README as an SVG; on a quiet machine
	@deploy/recording/record.sh

clean: ## removes what was built and generated reports
	rm -rf bin dist reports/runs reports/latest reports/latest-*
