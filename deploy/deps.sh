#!/bin/sh
# Installs what labs without containers and tests need, where it is missing and
# this user may install packages; otherwise says what to install. Arguments
# choose: postgres pgbouncer redis nginx node (servers of a lab and of tests), haproxy varnish apache (gateways
# of a comparison; varnish with its modules), prometheus (with promtool, Alertmanager and amtool), browser (the
# report's page is tested in one), compiler (the race detector needs C), wrk (the doctor compares the generator
# with it), tmux (records a terminal for the README).
# Without arguments: all of these. Only when named: kubernetes (what the test cluster of make kube-up runs on).
set -eu
wanted=" ${*:-postgres pgbouncer redis nginx node haproxy varnish apache prometheus browser compiler wrk tmux} "
want() { case $wanted in *" $1 "*) return 0 ;; esac; return 1; }
have() { for p in "$@"; do command -v "$p" >/dev/null 2>&1 && return 0; done; return 1; }

# Debian keeps these servers outside PATH.
have_postgres() { have postgres || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
have_pgbouncer() { have pgbouncer || [ -x /usr/sbin/pgbouncer ]; }
have_nginx() { have nginx || [ -x /usr/sbin/nginx ]; }
have_haproxy() { have haproxy || [ -x /usr/sbin/haproxy ]; }
have_varnish() {
	{ have varnishd || [ -x /usr/sbin/varnishd ]; } && [ -n "$(find -L /usr/lib /usr/local/lib /opt/homebrew/lib \
		-maxdepth 4 -name libvmod_vsthrottle.so 2>/dev/null | head -n 1)" ]
}
have_apache() { have apache2 httpd || [ -x /usr/sbin/apache2 ]; }
have_browser() {
	have chromium chromium-browser google-chrome google-chrome-stable || [ -n "${GATELAB_TEST_CHROMIUM:-}" ] ||
		[ -e "/Applications/Google Chrome.app" ]
}

debian= brewed= casks=
if want postgres && ! have_postgres; then debian="$debian postgresql" brewed="$brewed postgresql@15"; fi
if want pgbouncer && ! have_pgbouncer; then debian="$debian pgbouncer" brewed="$brewed pgbouncer"; fi
if want redis && ! have redis-server; then debian="$debian redis-server" brewed="$brewed redis"; fi
if want nginx && ! have_nginx; then debian="$debian nginx-light" brewed="$brewed nginx"; fi
if want node && ! have node; then debian="$debian nodejs" brewed="$brewed node"; fi
if want haproxy && ! have_haproxy; then debian="$debian haproxy" brewed="$brewed haproxy"; fi
if want varnish && ! have_varnish; then debian="$debian varnish varnish-modules" brewed="$brewed varnish"; fi
if want apache && ! have_apache; then debian="$debian apache2" brewed="$brewed httpd"; fi
# Debian calls the server prometheus-alertmanager; amtool comes with it.
if want prometheus && ! have promtool; then debian="$debian prometheus" brewed="$brewed prometheus"; fi
if want prometheus && ! have amtool; then debian="$debian prometheus-alertmanager" brewed="$brewed alertmanager"; fi
if want browser && ! have_browser; then debian="$debian chromium" casks="$casks chromium"; fi
if want compiler && ! have gcc clang cc; then debian="$debian gcc libc6-dev"; fi
if want wrk && ! have wrk; then debian="$debian wrk" brewed="$brewed wrk"; fi
if want tmux && ! have tmux; then debian="$debian tmux" brewed="$brewed tmux"; fi
if want kubernetes; then
	have containerd || debian="$debian containerd"
	have runc /usr/sbin/runc || debian="$debian runc"
	[ -x /usr/lib/cni/bridge ] || debian="$debian containernetworking-plugins"
	have iptables /usr/sbin/iptables || debian="$debian iptables"
	have ip || debian="$debian iproute2"
	have sysctl /usr/sbin/sysctl || debian="$debian procps"
fi
[ -n "$debian" ] || exit 0

if have apt-get && [ "$(id -u)" = 0 ]; then
  echo "deps: installing$debian" >&2
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # No server is to start by itself: labs and tests start their own.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d "$log"' EXIT
  fi
  # shellcheck disable=SC2086
  { apt-get update && apt-get install -y --no-install-recommends $debian; } >"$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
elif have brew && [ -n "$brewed$casks" ]; then
  # shellcheck disable=SC2086
  [ -z "$brewed" ] || brew install $brewed
  # shellcheck disable=SC2086
  [ -z "$casks" ] || brew install --cask $casks
else
  hint=
  [ $# != 0 ] || hint=", or name running servers in GATELAB_TEST_POSTGRES and GATELAB_TEST_REDIS"
  echo "deps: missing:$debian. Install them with your package manager (Debian, Ubuntu: sudo apt-get install$debian)$hint." >&2
  exit 1
fi
