package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/dns/dnstest"
)

// TestATargetWithSRVRecords is resolved by the name server of dns_resolver, and is in
// the health report and in the metrics by what its records lead to.
func TestATargetWithSRVRecords(t *testing.T) {
	s := dnstest.Start(t)
	hosts := make(chan string, 99)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hosts <- r.Host }))
	t.Cleanup(server.Close)
	port := server.Listener.Addr().(*net.TCPAddr).Port
	s.Set("one.test", dnstest.Record{Address: "127.0.0.1", TTL: 60})
	s.Set("_web._tcp.test", dnstest.Record{Address: "127.0.0.9", TTL: 60},
		dnstest.Record{Host: "one.test", Port: uint16(port), Weight: 5, TTL: 60}) //nolint:gosec // a port
	b := boot(t, "--dns-resolver", s.Address, "--dns-order", "LAST,SRV,A,CNAME")
	b.post("/upstreams", "name=pool.up", "use_srv_name=true")
	b.post("/upstreams/pool.up/targets", "target=_web._tcp.test:80")
	b.post("/services", "name=s", "host=pool.up")
	b.post("/services/s/routes", "paths[]=/ai")
	b.eventually("the record is followed", func() bool { return b.get(b.proxy+"/ai").StatusCode == 200 })
	if got, want := <-hosts, "one.test:"+strings.TrimPrefix(server.Listener.Addr().String(), "127.0.0.1:"); got != want {
		t.Errorf("Host is %s, want %s", got, want)
	}
	report := b.get(b.admin + "/upstreams/pool.up/health").text
	for _, want := range []string{`"target":"_web._tcp.test:80"`, `"dns":"SRV"`, `"ip":"one.test"`, `"health":"HEALTHCHECKS_OFF"`} {
		if !strings.Contains(strings.ReplaceAll(report, " ", ""), want) {
			t.Errorf("the report lacks %s: %s", want, report)
		}
	}
	metrics := b.get(b.status + "/metrics").text
	if !regexp.MustCompile(`gateway_upstream_target_healthy\{target="one.test:\d+",upstream="pool.up"\} 1`).MatchString(metrics) ||
		strings.Contains(metrics, `target="_web._tcp.test:80"`) {
		t.Error("the metrics have not the record alone")
	}
}
