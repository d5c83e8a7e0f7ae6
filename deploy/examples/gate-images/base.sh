#!/bin/sh
# Makes a base image for the Dockerfile here without any registry: this machine's
# nginx with the libraries that it is linked with. $1 is the image's name.
set -eu
image=${1:-catalogue:base}
nginx=$(PATH="$PATH:/usr/sbin" command -v nginx) || { echo 'base.sh: nginx is missing: install it (sh deploy/deps.sh nginx)' >&2; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT INT TERM
mkdir -p "$root/usr/sbin" "$root/etc/nginx" "$root/tmp" "$root/var/lib/nginx" "$root/var/log/nginx" "$root/run"
chmod 1777 "$root/tmp"
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' > "$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
cp -L "$nginx" "$root/usr/sbin/nginx"
# "libz.so.1 => /lib/.../libz.so.1 (0x...)", and the loader by its path alone
for lib in $(ldd "$nginx" | grep -o '/[^ ]*'); do
	mkdir -p "$root$(dirname "$lib")"
	cp -L "$lib" "$root$lib"
done
tar -C "$root" -c . | docker import --message 'nginx of this machine, for an example' - "$image"
