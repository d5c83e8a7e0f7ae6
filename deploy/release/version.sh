#!/usr/bin/env bash
# Prints the version of a release: a semantic version, because packages and tags of images need one.
#
#   deploy/release/version.sh [VERSION]
#
# Without VERSION it comes from git. Commits after a tag are build metadata (1.2.3+5.gabcdef0): as a
# pre-release (1.2.3-5-gabcdef0) packages would sort them before 1.2.3. Without a tag it is 0.0.0.
set -euo pipefail
version=${1:-}
if [ -z "$version" ]; then
  described=$(git describe --tags --dirty --long --match 'v[0-9]*' 2>/dev/null) || described=v0.0.0-0-g$(git describe --always --dirty --exclude '*')
  if [[ ! $described =~ ^(.*)-([0-9]+)-(g[0-9a-f]+)(-dirty)?$ ]]; then
    echo "version.sh: cannot read $described" >&2
    exit 1
  fi
  version=${BASH_REMATCH[1]} commits=${BASH_REMATCH[2]} commit=${BASH_REMATCH[3]} dirty=${BASH_REMATCH[4]#-}
  # Only the tagged commit itself, unchanged, has the tag's version.
  if [ "$commits" != 0 ] || [ "$version" = v0.0.0 ] || [ -n "$dirty" ]; then
    separator=+
    case $version in *+*) separator=. ;; esac
    version+=$separator$commits.$commit${dirty:+.$dirty}
  fi
fi
version=${version#v}
number='(0|[1-9][0-9]*)' words='[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*'
if [[ ! $version =~ ^$number\.$number\.$number(-$words)?(\+$words)?$ ]]; then
  echo "version.sh: $version is not a semantic version such as 1.2.3 or 1.3.0-rc.1" >&2
  exit 1
fi
echo "$version"
