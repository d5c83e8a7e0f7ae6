#!/bin/sh
# Records the first command of the README, for docs/recording.svg. The figures in it
# are those of the machine that it runs on: one that does nothing else. What is of the
# machine (images, registries, folders) is left out; if any of it is left, nothing is
# written.
set -eu
cd "$(git rev-parse --show-toplevel)"
make build
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
command='make scenario STAGE=cache PROFILE=smoke'
go run ./deploy/recording -title "$command" -replace "$reports/=reports/" -replace "$PWD/=" \
  docs/recording.svg "MAKEFLAGS=--no-print-directory $command ARGS='--reports $reports'"
