#!/bin/sh
# Builds the program that is the test cluster, unless it has been built of the same sources, and prints its path. The first build takes
# about 15 minutes of CPU time and 3 GiB of Go's build cache, and downloads 90 MiB.
set -eu
cd "$(dirname "$0")"
# One set of flags, always: other flags compile all 2,759 packages again.
export GOFLAGS='-trimpath -buildvcs=false' CGO_ENABLED=0 GOWORK=off
key=$({ ${GO:-go} env GOVERSION GOARCH && cat build.sh go.mod go.sum *.go dns/*.go policy/*.go image/*.go pause/*.go templates/*; } | sha256sum | cut -c 1-16)
dir=${GATELAB_KUBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatelab}
program=$dir/cluster-$key
if [ ! -x "$program" ]; then
	mkdir -p "$dir"
	echo 'building Kubernetes: the first time takes about 15 minutes of CPU time' >&2
	version=v1.34.4
	flags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
	flags="$flags -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
	${GO:-go} build -ldflags '-s -w' -o "$program-pause" ./pause
	# The name is there only when the whole file is.
	${GO:-go} build -ldflags "$flags" -o "$program.new.$$" .
	mv "$program.new.$$" "$program"
fi
echo "$program"
