#!/bin/sh
# Records the first command of the README, for docs/recording.svg. The figures in it
# are those of the machine that it runs on: one that does nothing else.
set -eu
cd "$(git rev-parse --show-toplevel)"
make build
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
go run ./deploy/recording docs/recording.svg 'make --no-print-directory scenario STAGE=cache PROFILE=smoke ARGS="--reports '"$reports"'"'
# No folder of this machine: the reader's report is in the default one.
sed -i "s# ARGS=&\#34;--reports $reports&\#34;##; s#$reports/#reports/#g; s#$PWD/##g" docs/recording.svg
