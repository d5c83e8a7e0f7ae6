#!/bin/sh
# Records the first command of the README, for docs/recording.svg. The figures in it
# are those of the machine that it runs on: one that does nothing else.
set -eu
cd "$(git rev-parse --show-toplevel)"
make build
go run ./deploy/recording docs/recording.svg 'make --no-print-directory scenario STAGE=cache PROFILE=smoke ARGS="--reports '"$(mktemp -d)"'"'
