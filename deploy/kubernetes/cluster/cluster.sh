#!/bin/sh
# cluster.sh up [NODES] | down | status | node ... | kubectl ...: the test cluster of this machine. Only up builds it, if need be; the others use
# the program that brought it up.
set -eu
if [ "${1:-}" = up ]; then
	program=$("$(dirname "$0")/build.sh")
	exec "$program" "$@"
fi
program=${GATELAB_KUBE_DIR:-/var/cache/gatelab-kube}/cluster
if [ ! -x "$program" ]; then
	echo 'no cluster is up' >&2
	[ "${1:-}" = down ] && exit 0
	exit 1
fi
exec "$program" "$@"
