# The commands of this house. Each is a line or two that calls something readable.
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench versus scaling failover conformance docs fmt

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

demo: ## real hosts talk through the router, in namespaces (KEEP=1 leaves it up)
	@tools/setup.sh test
	@tools/demo.sh

test: ## everything: unit, property, and end-to-end tests with real peers (needs root)
	@tools/setup.sh test
	@tools/test.sh

lint: ## format, clippy, shell, licences
	@tools/setup.sh test
	@tools/lint.sh

bench: ## criterion micro-benches; instructions per packet beside benches/baseline.toml (BLESS=1 writes it)
	@tools/setup.sh bench
	cargo bench -p benches --no-fail-fast

versus: ## cycles per packet beside real routers, in one run (QUICK=1, ONLY=a,b, TABLE=file)
	@tools/setup.sh bench
	@tools/versus.sh

scaling: ## what limits many workers: the figures of docs/scaling.md
	@tools/setup.sh bench
	cargo run --release -p benches --bin scaling

failover: ## what is noticed when one of a pair fails, beside keepalived (ROUNDS=20, DEATHS=100, SESSIONS=10000, ONLY=kill,...)
	@tools/setup.sh test
	@tools/failover.sh

conformance: ## the 22 rows: which are closed
	@tools/setup.sh test
	@tools/conformance.sh

docs: ## regenerate the generated documents
	HEXTET_BLESS=1 cargo nextest run -p dataplane -p control -p cli --no-fail-fast -E 'test(doc) or test(metrics) or test(table) or binary(hextetctl)'
	HEXTET_BLESS=1 cargo nextest run -p lab --test security -E 'test(document)'

fmt: ## format the code
	cargo fmt --all
