package statsd

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"statsd.host":                         `.: json:"host" + in.Host`,
	"statsd.port":                         `.: json:"port" + in.Port`,
	"statsd.prefix":                       `.: json:"prefix" + in.Prefix`,
	"statsd.metrics":                      `.: json:"metrics" + s.Metrics`,
	"statsd.metrics.name":                 `../stats: json:"name"`,
	"statsd.metrics.stat_type":            "../stats: m.StatType",
	"statsd.metrics.sample_rate":          "../stats: m.SampleRate",
	"statsd.metrics.consumer_identifier":  ".: m.ConsumerIdentifier",
	"statsd.metrics.service_identifier":   ".: m.ServiceIdentifier",
	"statsd.metrics.workspace_identifier": "any: there is one workspace, whose id is its name",
	"statsd.allow_status_codes":           ".: in.AllowStatusCodes",
	"statsd.udp_packet_size":              ".: in.UDPPacketSize",
	"statsd.use_tcp":                      ".: in.UseTCP",
	"statsd.hostname_in_prefix":           ".: in.HostnameInPrefix",
	"statsd.consumer_identifier_default":  ".: s.ConsumerIdentifierDefault",
	"statsd.service_identifier_default":   ".: s.ServiceIdentifierDefault",
	"statsd.workspace_identifier_default": "any: there is one workspace, whose id is its name",
	"statsd.retry_count":                  "any: Kong has not used it since 3.3 either",
	"statsd.queue_size":                   "../logqueue: l.QueueSize",
	"statsd.flush_timeout":                "../logqueue: l.FlushTimeout",
	"statsd.tag_style":                    ".: s.TagStyle",
	"statsd.queue":                        "elsewhere",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"statsd"}`)
	if err != nil {
		t.Fatal(err)
	}
	metrics, _ := entitytest.At(r, "config", "metrics").([]any)
	first, err := json.Marshal(metrics[0])
	const want = `{"consumer_identifier":null,"name":"request_count","sample_rate":1,"service_identifier":null,"stat_type":"counter",` +
		`"workspace_identifier":null}`
	if len(metrics) != 13 || string(first) != want || err != nil {
		t.Errorf("%d metrics, %s, %v", len(metrics), first, err)
	}
	if p := Definition().Priority; p != 11 {
		t.Errorf("priority %d is not Kong's", p)
	}
	for config, message := range map[string]string{
		`{"allow_status_codes":["2xx"]}`:                                  "invalid value '2xx': expected a range such as 200-299",
		`{"metrics":[{"name":"request_count","stat_type":"counter"}]}`:    "sample_rate:required field missing",
		`{"metrics":[{"name":"unique_users","stat_type":"gauge"}]}`:       "stat_type:value must be set",
		`{"metrics":[{"name":"status_count","stat_type":"timer"}]}`:       "stat_type:value must be counter",
		`{"metrics":[{"name":"requests","stat_type":"timer"}]}`:           "name:expected one of: kong_latency",
		`{"udp_packet_size":65508}`:                                       "udp_packet_size: value should be between 0 and 65507",
		`{"tag_style":"x"}`:                                               "tag_style: expected one of: dogstatsd",
		`{"metrics":[{"name":"latency","stat_type":"counter","x":true}]}`: "x:unknown field",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"statsd","config":`+config+`}`)
		entitytest.Refused(t, err, message)
	}
}

var figure = regexp.MustCompile(`:\d+\|ms`)

// receive reads packets until it has some lines; figures that are measured become
// N.
func receive(t *testing.T, server plugintest.Datagrams, lines int) (all []string, packets int) {
	t.Helper()
	for len(all) < lines {
		packets++
		for line := range strings.SplitSeq(server.Receive(t), "\n") {
			all = append(all, figure.ReplaceAllString(line, ":N|ms"))
		}
	}
	return all, packets
}

func TestRequests(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host = strings.ReplaceAll(host, ".", "_")
	count := func(fields entity.Record) []any {
		m := entity.Record{"name": "request_count", "stat_type": "counter", "sample_rate": 1}
		for k, v := range fields {
			m[k] = v
		}
		return []any{m}
	}
	tags := "service:shop,route:r1,workspace:default,node:" + host + ",status:201,consumer:alice"
	for _, tt := range []struct {
		name    string
		config  entity.Record
		want    []string
		packets int
	}{
		{
			name: "defaults", config: entity.Record{"consumer_identifier_default": "username"}, packets: 12,
			want: []string{
				"kong.service.shop.request.count:1|c", "kong.service.shop.latency:N|ms", "kong.service.shop.request.size:N|ms",
				"kong.service.shop.status.201:1|c", "kong.service.shop.response.size:N|ms", "kong.service.shop.user.uniques:alice|s",
				"kong.service.shop.user.alice.request.count:1|c", "kong.service.shop.upstream_latency:N|ms",
				"kong.service.shop.kong_latency:N|ms", "kong.service.shop.user.alice.status.201:1|c",
				"kong.service.shop.workspace.default.status.201:1|c", "kong.route.r1.user.alice.status.201:1|c",
			},
		},
		{
			name: "packets and prefixes", packets: 1,
			config: entity.Record{"udp_packet_size": 1000, "hostname_in_prefix": true, "prefix": "gw", "metrics": append(
				count(entity.Record{"service_identifier": "service_id"}), count(entity.Record{"service_identifier": "service_host"})...)},
			want: []string{"gw.node." + host + ".service.s1.request.count:1|c", "gw.node." + host + ".service.127_0_0_1.request.count:1|c"},
		},
		{
			name: "dogstatsd", packets: 1, want: []string{"kong.request.count:1|c|#" + tags},
			config: entity.Record{"tag_style": "dogstatsd", "metrics": count(entity.Record{"consumer_identifier": "username"})},
		},
		{
			name: "influxdb", packets: 1, want: []string{"kong.request.count," + strings.ReplaceAll(tags, ":", "=") + ":1|c"},
			config: entity.Record{"tag_style": "influxdb", "metrics": count(entity.Record{"consumer_identifier": "username"})},
		},
		{
			name: "librato", packets: 1, want: []string{"kong.request.count#" + strings.ReplaceAll(tags, ":", "=") + ":1|c"},
			config: entity.Record{"tag_style": "librato", "metrics": count(entity.Record{"consumer_identifier": "username"})},
		},
		{
			name: "signalfx", packets: 1, want: []string{"kong.request.count[" + strings.ReplaceAll(tags, ":", "=") + "]:1|c"},
			config: entity.Record{"tag_style": "signalfx", "metrics": count(entity.Record{"consumer_identifier": "username"})},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := plugintest.ListenDatagrams(t, "udp", "127.0.0.1:0")
			g := plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition(), keyauth.Definition()},
				func(c *entity.Config) { c.Services[0].Name = "shop" },
				entity.Record{"name": name, "config": server.Config(tt.config)}, entity.Record{"name": "key-auth"})
			g.Send(t, http.MethodGet, "/", "", "apikey:alices-key")
			got, packets := receive(t, server, len(tt.want))
			if strings.Join(got, " ") != strings.Join(tt.want, " ") || packets != tt.packets {
				t.Errorf("%d packets\ngot  %q\nwant %q", packets, got, tt.want)
			}
		})
	}
}

// TestStatuses sends nothing of statuses that are not allowed, and no more of one
// request than of another over TCP.
func TestStatuses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{"name": name, "config": entity.Record{
		"host": "127.0.0.1", "port": ln.Addr().(*net.TCPAddr).Port, "use_tcp": true, "allow_status_codes": []any{"400-499", "500-599"},
		"metrics": []any{entity.Record{"name": "status_count", "stat_type": "counter", "sample_rate": 1}},
	}})
	g.Send(t, http.MethodGet, "/good", "")
	g.Send(t, http.MethodGet, "/bad", "")
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 1024)
	n, err := c.Read(buf)
	if got := string(buf[:n]); got != "kong.service.127_0_0_1.status.400:1|c\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
