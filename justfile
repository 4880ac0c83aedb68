# The loops of CONTRIBUTING.md: `just` lists them, `just test-lib switch` runs one.

_default:
    @just --list --unsorted

# Compile without producing anything
check:
    cargo check --release --workspace --all-targets

# HTTP/2: its tests take seconds
test-http2:
    cargo test --release -p teal-http2

# Unit tests of a module, such as switch or gate
test-lib filter:
    cargo test --release --lib {{filter}}

# SQL of the built-in engine
test-engine filter="":
    cargo test --release --test engine {{filter}}

# The real binary with real clients: the name of a file in tests/it/, or of a test
test-it filter:
    cargo test --release --test it {{filter}}

# Load, dying engines, attacks: the name of a file in tests/load/, or of a test
test-load filter:
    cargo test --release --test load {{filter}}

# Pages: examples, tables, links
test-docs:
    cargo test --release --test it readme

# Rewrite the tables of flags in docs/, from the help of the flags
update-docs:
    TEAL_UPDATE_DOCS=1 cargo test --release --test it has_every_flag

# Formatting and lints
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings

# Licences and sources of dependencies, without a network
deny:
    cargo deny --offline check licenses bans sources

# The switch and the gate in a simulated world
simulate seeds="100000":
    TEAL_SIMULATION_SEEDS={{seeds}} cargo test --release --lib simulated

# Fuzz HTTP/2 and the reader of recordings, each target for this many seconds
fuzz seconds="20":
    fuzz/run {{seconds}}

# The cost of each part of a call
bench name="gate":
    cargo bench --bench {{name}}

# teal beside HAProxy, nginx and Envoy
bench-peers *args="--quick":
    benches/peers/run {{args}}

# The pages as a book, in target/book/
book:
    mdbook build

# What is shipped, in dist/: packages, image, checksums
dist *args:
    packaging/dist {{args}}

# All checks that must pass before a change is merged
all:
    .ci/run
