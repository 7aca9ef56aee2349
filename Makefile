# The targets a developer needs; each says what it does in one line.

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
COREDNS := github.com/coredns/coredns@v1.15.0
NFPM := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
COMPOSE := github.com/docker/compose/v2@v2.40.3
IMAGE := gslb

# Of make packages. What is made of one commit is the same, whenever and wherever that is done.
ARCHES ?= amd64 arm64
EPOCH  := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
COMMITTED := $(shell date -u -d @$(EPOCH) +%Y%m%d%H%M)
# 1.2.3 of the tag v1.2.3, 1.2.3+4.gabc1234 behind it, 0~git202601011200.abc1234 without tags.
PACKAGE_VERSION := $(shell echo "$(VERSION)" | sed 's/^v\([0-9]\)/\1/; t tag; s/^/0~git$(COMMITTED)./; s/-/./g; q; :tag; s/-/+/; s/-/./g')

# One way to compile for all targets, so that none compiles again what another has. Only the race detector needs C.
export CGO_ENABLED := 0
export GOFLAGS     += -trimpath

# Of make test: packages that start no goroutine, and whose tests start none. The race detector would see nothing there,
# and take five times as long.
PURE := $(addprefix gslb/,answer geo server/respond steer zones zones/config zones/gdnsd zones/masterfile zones/records internal/cookie internal/jsonpath internal/wire slo)

# Of make test: tests among real parts. Some packages mostly wait, and four of them run at a time. The
# others measure something, and run one by one. They try the built binary from outside: the race detector would
# watch the programs that do so, and take from the processors what the binary needs. make lint has what go vet says.
REAL    := -vet=off -count=1 -tags integration -timeout 20m -parallel 4
WAITING := gslb/integration gslb/bench/page gslb/bench/queries gslb/bench/upgrade $(addprefix gslb/integration/,decisions demo guides importing packaging parts replicating zonefiles)

# A program with the race detector in it otherwise waits a second before it ends.
export GORACE := atexit_sleep_ms=10

# Of make fail and make heal.
REGION ?= nyc
FAULT  ?= lb-kill

# Of make bench, make bench-… and make drill: "-rounds 5", or -h.
ARGS ?=

.PHONY: help build run drill fail heal test simulate lint bench bench-steering bench-querylog bench-failover bench-start bench-scale bench-loss bench-page bench-upgrade soak setup clean docker man packages check-packages check-systemd check-image check-deploy

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

build: ## build the static binary bin/gslb
	go build -ldflags "-X main.version=$(VERSION)" -o bin/gslb ./cmd/gslb

run: setup build bin/demo ## serve zones.toml in front of two regions on this machine
	@bin/demo run

drill: build bin/drill ## measure how long a failure lasts for real clients behind real resolvers (20 minutes)
	@integration/setup.sh drill
	@bin/drill $(ARGS)

fail: bin/demo ## fail a region of make run: REGION=nyc FAULT=lb-kill, lb-hang, app-503, dynamodb-stop, …
	@bin/demo fail $(REGION) $(FAULT)

heal: bin/demo ## bring it back: REGION=nyc
	@bin/demo heal $(REGION)

.PHONY: bin/demo bin/drill bin/bench # go build knows what is up to date
bin/demo:
	@go build -o $@ ./integration/demo

bin/drill:
	@go build -o $@ ./integration/drill

bin/bench:
	@go build -o $@ ./bench

.PHONY: bin/bench-echo
bin/bench-echo:
	@go build -o $@ ./bench/echo

# CoreDNS comes in no package that is recent. The folder is of its version.
coredns := .cache/bench/$(notdir $(COREDNS))/coredns
$(coredns):
	GOBIN=$(CURDIR)/$(@D) GOFLAGS= go install $(COREDNS)

test: setup build bin/bench-echo ## run all tests, those among real parts too
	go test -vet=off $(PURE)
	CGO_ENABLED=1 go test -race -vet=off -p 4 -skip '^TestMutations$$' $(filter-out $(PURE),$(shell go list ./...)) # many of them wait
	go test -vet=off ./simulate -run 'TestRuns|TestRealRuns|TestMutations$$' -runs 100000 -real 300
	go test $(REAL) -p 4 $(WAITING)
	go test $(REAL) -p 1 $(filter-out $(WAITING),$(shell go list -tags integration ./integration/... ./bench/...))

simulate: ## make ten million runs of random faults, cuts, reloads, restarts and commands (1 hour)
	go test ./simulate -run TestMutations -count=1 -v -mutants -1
	go test ./simulate -run TestRuns -count=1 -timeout 0 -v -runs 10000000 -progress $(ARGS)

lint: ## check the form of everything
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "not as gofmt has it: $$files" >&2; exit 1; }
	go vet -tags integration,packages,systemd,image ./...
	go vet ./bench/... # which has other files without the tag
	go run $(STATICCHECK) -tags integration,packages,systemd,image ./...
	@for script in integration/*.sh integration/*/*.sh; do sh -n "$$script" || exit 1; done
	bash -n .ci/run
	@if command -v php >/dev/null; then php -l integration/app/index.php; fi

setup: ## install what run, test and bench need: HAProxy, PHP, DynamoDB Local, unbound, …
	@integration/setup.sh

bench: setup build bin/bench bin/bench-echo $(coredns) ## compare answering with gdnsd, Knot, NSD, PowerDNS and CoreDNS (1 hour)
	@bin/bench queries -coredns $(coredns) $(ARGS)

bench-steering: setup build bin/bench bin/bench-echo ## compare policies, views and databases of places with gdnsd (10 minutes)
	@bin/bench queries -only policies,views,database,replace -contenders gslb,gdnsd,echo -rounds 2 -duration 3s $(ARGS)

bench-querylog: setup build bin/bench ## measure what logging queries by dnstap costs (5 minutes)
	@bin/bench queries -only querylog -contenders gslb -rounds 5 -duration 5s $(ARGS)

bench-failover: setup build bin/bench ## measure the time from a fault to the first changed answer (20 minutes)
	@bin/bench failover $(ARGS)

bench-start: setup build bin/bench ## measure the time to the first right answer, and idle memory (1 minute)
	@bin/bench start $(ARGS)

bench-scale: setup build bin/bench ## measure what 10,000 targets cost (20 minutes)
	@bin/bench scale $(ARGS)

bench-loss: setup build bin/bench ## count the answers that lost packets change, beside gdnsd and HAProxy (15 minutes)
	@bin/bench loss $(ARGS)

bench-page: setup build bin/bench ## measure the page in a real browser, beside HAProxy's: 2,000 names, 10,000 targets (30 minutes)
	@bin/bench page $(ARGS)

bench-upgrade: setup build bin/bench ## count the queries that upgrades lose, beside gdnsd's way and a restart (5 minutes)
	@bin/bench upgrade $(ARGS)

soak: setup build bin/bench ## run for half an hour among hostile targets and clients, and see whether anything grows
	@bin/bench soak $(ARGS)

man: build ## write the manual pages into bin/man
	@rm -rf bin/man
	@SOURCE_DATE_EPOCH=$(EPOCH) bin/gslb man --configuration docs/configuration.md bin/man

packages: man ## build a .deb and a .rpm for each of ARCHES (amd64 arm64) into bin/packages
	@rm -rf bin/package bin/packages
	@mkdir -p bin/package/man bin/package/completion bin/packages
	@for page in bin/man/*; do gzip -9n <$$page >bin/package/man/$${page##*/}.gz; done
	@for shell in bash fish zsh; do bin/gslb completion $$shell >bin/package/completion/gslb.$$shell; done
	@GOBIN=$(CURDIR)/bin/tools GOFLAGS= go install $(NFPM)
	@set -e; export SOURCE_DATE_EPOCH=$(EPOCH) PACKAGE_VERSION="$(PACKAGE_VERSION)" ARCH; \
	for ARCH in $(ARCHES); do \
		GOARCH=$$ARCH go build -ldflags "-s -w -X main.version=$(VERSION)" -o bin/package/$$ARCH/gslb ./cmd/gslb; \
		for kind in deb rpm; do bin/tools/nfpm package -f deploy/nfpm.yaml -p $$kind -t bin/packages/; done; \
	done

check-packages: setup ## install and purge the packages of this machine's kind, as nfpm builds them (3 minutes)
	@command -v rpm >/dev/null || { echo "check-packages needs rpm: apt-get install rpm" >&2; exit 1; }
	@$(MAKE) packages ARCHES=$$(go env GOARCH)
	go test -count=1 -tags integration,packages ./integration/packaging -packages $(CURDIR)/bin/packages

check-systemd: setup ## run the .deb that nfpm builds under a systemd: sandbox, watchdog, sockets, upgrade, purge (5 minutes, root)
	@$(MAKE) packages ARCHES=$$(go env GOARCH)
	go test -count=1 -tags integration,systemd -run '^TestSystemd$$' ./integration/packaging -v -packages $(CURDIR)/bin/packages

check-image: ## build the image by podman and run it as docs/operations.md says, alone and by Docker Compose (5 minutes, root)
	@missing=; for need in podman:podman runc:runc iptables:iptables dig:bind9-dnsutils curl:curl; do \
		command -v $${need%:*} >/dev/null || missing="$$missing $${need#*:}"; \
	done; [ -z "$$missing" ] || { echo "check-image needs$$missing: apt-get install$$missing" >&2; exit 1; }
	@dir=$$(GOFLAGS= go mod download -json $(COMPOSE) | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p'); \
	GOFLAGS= go build -C "$$dir" -o $(CURDIR)/bin/tools/docker-compose ./cmd
	go test -count=1 -tags integration,image -run '^TestImage$$' ./integration/packaging -v -compose $(CURDIR)/bin/tools/docker-compose

check-deploy: ## hold deploy/ to Helm, the rules of Kubernetes' API server, Compose, Docker and Terraform's language (5 minutes to build)
	cd deploy/check && gofmt -l . && go vet ./... && go test -count=1 ./...

clean: ## remove what was built, and the state and logs of the demonstration and the benchmarks
	rm -rf bin var .cache/demo .cache/bench

docker: ## build a container image
	docker build --build-arg VERSION=$(VERSION) --tag $(IMAGE) .
