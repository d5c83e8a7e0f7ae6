#!/usr/bin/env bash
# Writes a Homebrew formula for the archives of a release. A platform without an archive is left out.
#
#   deploy/release/formula.sh VERSION SHA256SUMS
#
# RELEASE_URL is where the archives of all releases are.
set -euo pipefail
version=$1 sums=$2
url=${RELEASE_URL:-https://github.com/gatelab/gatelab/releases/download}

archive() { # OS ARCH HOMEBREW'S-ARCH: its address and checksum, or nothing
  local file=gatelab_${version}_$1_$2.tar.gz sum
  sum=$(awk -v f="$file" '$2 == f { print $1 }' "$sums")
  if [ -z "$sum" ]; then return; fi
  printf '    on_%s do\n      url "%s/v%s/%s"\n      sha256 "%s"\n    end\n' "$3" "$url" "$version" "$file" "$sum"
}

system() { # OS HOMEBREW'S-OS
  local archives
  archives=$(archive "$1" arm64 arm && archive "$1" amd64 intel)
  if [ -z "$archives" ]; then return; fi
  printf '\n  on_%s do\n%s\n  end\n' "$2" "$archives"
}

systems=$(system darwin macos && system linux linux)
if [ -z "$systems" ]; then
  echo "formula.sh: $sums names no archive of version $version" >&2
  exit 1
fi

cat <<RUBY
class Gatelab < Formula
  desc "API gateway with Kong's Admin API, and a benchmark and chaos lab for gateways"
  homepage "${url%/releases/download}"
  version "$version"
  license "Apache-2.0"
$systems

  def install
    # Beside each other: the harness starts the gateway that lies beside it.
    libexec.install "gateway", "harness"
    bin.install_symlink libexec/"gateway" => "gatelab-gateway"
    bin.install_symlink libexec/"harness" => "gatelab-harness"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/gatelab-harness --version")
  end
end
RUBY
