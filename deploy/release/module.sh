#!/bin/sh
# Renames the module, for a fork: the line in go.mod, every import, and the rules made from them.
# Usage: sh deploy/release/module.sh example.com/you/gatelab
set -eu
new=${1:?usage: module.sh MODULE-PATH}
cd "$(git rev-parse --show-toplevel)"
old=$(awk '$1 == "module" { print $2; exit }' go.mod)
folders='(alerts|dashboards|deploy|docs|gateway|harness|internal|prices|scenarios)'
# Text that is no path, such as the names of images and schemas, keeps its name.
git ls-files -z '*.go' | xargs -0 sed -i -E \
  -e "s#\"$old/$folders([/\".])#\"$new/\1\2#g" \
  -e "s#\"$old/\"#\"$new/\"#g" \
  -e "s#^const Module = \"$old\"#const Module = \"$new\"#"
sed -i "s#^module $old\$#module $new#" go.mod
git ls-files -z '*.go' | xargs -0 gofmt -w
go test ./internal/imports -update
