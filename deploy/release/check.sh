#!/usr/bin/env bash
# Checks a release as its user meets it: the checksums, the SBOM, and the archive for this machine, unpacked into an
# empty folder. The gateway serves from a file, and the harness compares it with nginx, as processes. Nothing of the
# clone is used.
#
#   deploy/release/check.sh [FOLDER]     default: dist
set -euo pipefail
dist=$(cd "${1:-$(dirname "$0")/../../dist}" && pwd)
case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) arch=$(uname -m) ;;
esac
os=$(uname -s | tr '[:upper:]' '[:lower:]')

folder=$(mktemp -d)
gateway=
finish() {
  if [ -n "$gateway" ]; then kill "$gateway" 2>/dev/null || true; wait "$gateway" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap finish EXIT
fail() { echo "check.sh: $*" >&2; exit 1; }

(cd "$dist" && sha256sum --check --quiet SHA256SUMS) || fail "checksums differ"
archives=("$dist"/gatelab_*_"${os}_$arch".tar.gz)
[ ${#archives[@]} = 1 ] && [ -f "${archives[0]}" ] || fail "want one archive for $os/$arch, have ${archives[*]}"
name=$(basename "${archives[0]}" .tar.gz)
version=${name#gatelab_}
version=${version%_"${os}_$arch"}
sum=$(sha256sum < "${archives[0]}" | cut -d ' ' -f 1)
grep -q "sha256 \"$sum\"" "$dist/gatelab.rb" || fail "the formula has another checksum for $name"
for sbom in "$dist"/*.cdx.json; do
  [ -f "$sbom" ] || continue # PACKAGES=0
  grep -q "\"version\": \"v$version\"" "$sbom" || fail "$sbom is of another version"
  ! grep -q '"timestamp"' "$sbom" || fail "$sbom has the time of its making, so that no two are equal"
done

tar -xzf "${archives[0]}" -C "$folder"
cd "$folder/$name"
files=$(LC_ALL=C ls | tr '\n' ' ')
[ "$files" = "CHANGELOG.md LICENSE README.md gateway harness " ] || fail "the archive holds $files"
[ "$(./gateway --version)" = "$version" ] || fail "gateway --version says $(./gateway --version), want $version"
[ "$(./harness --version)" = "harness version $version" ] || fail "harness --version says $(./harness --version), want $version"

cat > kong.yml <<'YAML'
_format_version: "3.0"
services:
- name: hello
  url: http://127.0.0.1:9
  routes: [{name: hello, paths: [/hello]}]
  plugins: [{name: request-termination, config: {status_code: 200, message: from a file}}]
YAML
./gateway config check kong.yml
./gateway run --database off --declarative-config kong.yml --proxy-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 \
  --status-listen 127.0.0.1:0 > gateway.log 2>&1 &
gateway=$!
address=
for _ in $(seq 100); do
  address=$(sed -n 's/.*"msg":"serving".*"proxy":"\([^"]*\)".*/\1/p' gateway.log)
  if [ -n "$address" ] || ! kill -0 "$gateway" 2>/dev/null; then break; fi
  sleep 0.1
done
[ -n "$address" ] || fail "the gateway does not serve: $(cat gateway.log)"
exec 3<> "/dev/tcp/${address%:*}/${address##*:}"
printf 'GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
answer=$(timeout 10 cat <&3)
exec 3>&-
[[ $answer = "HTTP/1.1 200"* && $answer = *"from a file"* ]] || fail "the gateway answers: $answer"
kill "$gateway"
wait "$gateway" || fail "the gateway ends with exit code $?"
gateway=
echo "the gateway of $name serves from a file"

# 4: figures are not valid, as on a busy machine. What is checked here is that all ran.
code=0
./harness compare --with nginx --policy plain --profile smoke --rate 300 --runtime host > compare.log 2>&1 || code=$?
if { [ "$code" != 0 ] && [ "$code" != 4 ]; } || ! [ -s reports/latest/report.html ]; then
  cat compare.log
  fail "harness compare ends with exit code $code"
fi
grep -E '^\| plain \| *[0-9.]+' compare.log | head -n 1
echo "the harness of $name compares, exit code $code"
