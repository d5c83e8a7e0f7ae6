#!/usr/bin/env bash
# Writes a Homebrew formula for the archives of a release.
#
#   deploy/release/formula.sh VERSION SHA256SUMS
#
# RELEASE_URL is where the archives of all releases are.
set -euo pipefail
version=$1 sums=$2
url=${RELEASE_URL:-https://github.com/gatelab/gatelab/releases/download}

block() { # OS ARCH
  local file=gatelab_${version}_$1_$2.tar.gz sum
  sum=$(awk -v f="$file" '$2 == f { print $1 }' "$sums")
  [ -n "$sum" ] || return 0
  printf '      url "%s/v%s/%s"\n      sha256 "%s"\n' "$url" "$version" "$file" "$sum"
}

cat <<RUBY
class Gatelab < Formula
  desc "API gateway with Kong's Admin API, and a benchmark and chaos lab for gateways"
  homepage "${url%/releases/download}"
  version "$version"
  license "Apache-2.0"

  on_macos do
    on_arm do
$(block darwin arm64)
    end
    on_intel do
$(block darwin amd64)
    end
  end
  on_linux do
    on_arm do
$(block linux arm64)
    end
    on_intel do
$(block linux amd64)
    end
  end

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
