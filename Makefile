# The targets a developer needs; each says what it does in one line.

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
IMAGE := gslb

# Of make fail and make heal.
REGION ?= nyc
FAULT  ?= lb-kill

.PHONY: help build run fail heal test lint setup clean docker

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

build: ## build the static binary bin/gslb
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/gslb ./cmd/gslb

run: setup build bin/demo ## serve zones.toml in front of two regions on this machine
	@bin/demo run

fail: bin/demo ## fail a region of make run: REGION=nyc FAULT=lb-kill, lb-hang, app-503, dynamodb-stop, …
	@bin/demo fail $(REGION) $(FAULT)

heal: bin/demo ## bring it back: REGION=nyc
	@bin/demo heal $(REGION)

.PHONY: bin/demo # go build knows what is up to date
bin/demo:
	@go build -o $@ ./integration/demo

test: setup build ## run all tests, those among real parts too
	go test -race ./...
	go test -race -count=1 -p 1 -tags integration -timeout 20m ./integration/...

lint: ## check the form of everything
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "not as gofmt has it: $$files" >&2; exit 1; }
	go vet ./...
	go vet -tags integration ./integration/...
	go run $(STATICCHECK) ./...
	go run $(STATICCHECK) -tags integration ./integration/...
	@for script in integration/*.sh integration/*/*.sh; do sh -n "$$script" || exit 1; done
	bash -n .ci/run
	@if command -v php >/dev/null; then php -l integration/app/index.php; fi

setup: ## install what run and test need: HAProxy, PHP, DynamoDB Local, unbound, …
	@integration/setup.sh

clean: ## remove what was built, and the demonstration's state and logs
	rm -rf bin var .cache/demo

docker: ## build a container image
	docker build --build-arg VERSION=$(VERSION) --tag $(IMAGE) .
