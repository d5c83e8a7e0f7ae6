#!/usr/bin/env bash
# Makes a release in dist/: archives of static binaries, container images, deb and rpm
# packages, an SBOM, a Homebrew formula and checksums. Everything is reproducible: the same commit gives the
# same bytes. Windows is left out: the harness needs Unix signals and process groups.
#
#   deploy/release/release.sh [VERSION]     default: from git, see version.sh
#
# PLATFORMS="linux/amd64" makes fewer; PACKAGES=0 leaves packages and SBOM out, which need
# two tools from the Go module proxy. RELEASE_DIR is another folder than dist: an empty one, or one
# of an earlier release, because it is emptied.
set -euo pipefail
cd "$(dirname "$0")/../.."

NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.48.0
SBOM=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

VERSION=$(deploy/release/version.sh "${1:-}")
export VERSION
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH CGO_ENABLED=0
PLATFORMS=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}
DIST=${RELEASE_DIR:-dist}
if [ "$DIST" != dist ] && [ -n "$(ls -A "$DIST" 2>/dev/null)" ] && [ ! -f "$DIST/SHA256SUMS" ]; then
  echo "release.sh: $DIST is not empty, and is not the folder of a release" >&2
  exit 2
fi
rm -rf "$DIST"
mkdir -p "$DIST"
DIST=$(cd "$DIST" && pwd)

build() { # OS ARCH FOLDER
  for program in gateway harness; do
    GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$VERSION" -o "$3/$program" "./$program"
  done
}

archive() { # FOLDER NAME
  cp LICENSE README.md CHANGELOG.md "$1/"
  tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w \
    -C "$(dirname "$1")" -cf - "$(basename "$1")" | gzip -9n > "$DIST/$2.tar.gz"
}

images=()
for platform in $PLATFORMS; do
  os=${platform%/*} arch=${platform#*/}
  name=gatelab_${VERSION}_${os}_${arch}
  stage=$DIST/stage/$name
  mkdir -p "$stage"
  echo "== $name"
  build "$os" "$arch" "$stage"
  archive "$stage" "$name"
  if [ "$os" = linux ]; then images+=("$platform=$stage"); fi
  if [ "${PACKAGES:-1}" = 1 ] && [ "$os" = linux ]; then
    for package in gateway harness; do
      for kind in deb rpm; do
        STAGE=$stage ARCH=$arch go run "$NFPM" package -f "deploy/release/nfpm-$package.yaml" -p "$kind" -t "$DIST/"
      done
    done
  fi
done

if [ ${#images[@]} -gt 0 ]; then
  go run ./deploy/release/images -version "$VERSION" -time "$SOURCE_DATE_EPOCH" -out "$DIST" "${images[@]}"
fi

if [ "${PACKAGES:-1}" = 1 ]; then
  # Read from a binary, so that it lists what is in the program; the platforms' lists differ by few modules.
  first=${PLATFORMS%% *}
  for program in gateway harness; do
    go run "$SBOM" bin -json -noserial -notimestamp -licenses=false -version "v$VERSION" -output "$DIST/$program.cdx.json" \
      "$DIST/stage/gatelab_${VERSION}_${first/\//_}/$program"
  done
fi

rm -rf "$DIST/stage"
sums() { (cd "$DIST" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\n' | LC_ALL=C sort | xargs sha256sum) > "$1"; }
# The formula has the checksums of the archives, and SHA256SUMS that of the formula.
sums "$DIST/SHA256SUMS"
formula=$(deploy/release/formula.sh "$VERSION" "$DIST/SHA256SUMS")
printf '%s\n' "$formula" > "$DIST/gatelab.rb"
sums "$DIST/SHA256SUMS"
cat "$DIST/SHA256SUMS"
