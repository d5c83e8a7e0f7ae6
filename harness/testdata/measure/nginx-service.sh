#!/bin/sh
# nginx as a service that is not ours: $1 is where it listens, $2 the origin behind it, $3
# a header's value that differs between builds.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
cat > "$dir/nginx.conf" <<C
worker_processes 1; error_log /dev/stderr error; pid $dir/pid; daemon off;
events { worker_connections 1024; }
http {
	access_log off; keepalive_requests 1000000;
	client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
	upstream origin { server $2; keepalive 64; }
	server {
		listen $1;
		add_header X-Build "$3";
		location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }
	}
}
C
echo "build $3 listens on $1" >&2
nginx -c "$dir/nginx.conf" &
wait
