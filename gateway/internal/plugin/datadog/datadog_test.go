package datadog

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"datadog.host":                        `.: json:"host" + in.Host`,
	"datadog.port":                        `.: json:"port" + in.Port`,
	"datadog.prefix":                      `.: json:"prefix" + p.Prefix`,
	"datadog.service_name_tag":            ".: p.ServiceNameTag",
	"datadog.status_tag":                  ".: p.StatusTag",
	"datadog.consumer_tag":                ".: p.ConsumerTag",
	"datadog.metrics":                     ".: p.Metrics",
	"datadog.metrics.name":                ".: m.Name",
	"datadog.metrics.stat_type":           "../stats: m.StatType",
	"datadog.metrics.tags":                ".: m.Tags",
	"datadog.metrics.sample_rate":         "../stats: m.SampleRate",
	"datadog.metrics.consumer_identifier": ".: m.ConsumerIdentifier",
	"datadog.retry_count":                 "any: Kong has not used it since 3.3 either",
	"datadog.queue_size":                  "../logqueue: l.QueueSize",
	"datadog.flush_timeout":               "../logqueue: l.FlushTimeout",
	"datadog.queue":                       "elsewhere",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"datadog"}`)
	metrics, _ := entitytest.At(r, "config", "metrics").([]any)
	if len(metrics) != 6 || err != nil {
		t.Errorf("metrics %v, %v", metrics, err)
	}
	if p := Definition().Priority; p != 10 {
		t.Errorf("priority %d is not Kong's", p)
	}
	for config, message := range map[string]string{
		`{"metrics":[{"name":"request_count","stat_type":"counter"}]}`:         "sample_rate:required field missing",
		`{"metrics":[{"name":"latency","stat_type":"timer","tags":["a:"]}]}`:   "invalid value 'a:': a tag must not end with a colon",
		`{"metrics":[{"name":"latency","stat_type":"meter"}]}`:                 "stat_type:expected one of",
		`{"metrics":[{"name":"latency","stat_type":"timer","sample_rate":2}]}`: "sample_rate:value should be between 0 and 1",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"datadog","config":`+config+`}`)
		entitytest.Refused(t, err, message)
	}
}

var figure = regexp.MustCompile(`:\d+\|ms`)

func TestRequests(t *testing.T) {
	origin := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct {
		name   string
		config entity.Record
		want   []string
	}{
		{name: "defaults", want: []string{
			"kong.request.count:1|c|#name:shop,status:200,consumer:al_ice,app:kong",
			"kong.latency:N|ms|#name:shop,status:200,consumer:al_ice,app:kong",
			"kong.request.size:N|ms|#name:shop,status:200,consumer:al_ice,app:kong",
			"kong.response.size:N|ms|#name:shop,status:200,consumer:al_ice,app:kong",
			"kong.upstream_latency:N|ms|#name:shop,status:200,consumer:al_ice,app:kong",
			"kong.kong_latency:N|ms|#name:shop,status:200,consumer:al_ice,app:kong",
		}},
		{
			name: "as it is configured",
			config: entity.Record{
				"prefix": "gw", "service_name_tag": "service", "status_tag": "code", "consumer_tag": "who",
				"metrics": []any{
					entity.Record{"name": "latency", "stat_type": "distribution", "consumer_identifier": "consumer_id"},
					entity.Record{"name": "request_count", "stat_type": "gauge", "sample_rate": 0.5, "tags": []any{"env:test"}},
				},
			},
			want: []string{"gw.latency:N|d|#service:shop,code:200,who:c1", "gw.request.count:1|g|@0.5|#service:shop,code:200,env:test"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := plugintest.ListenDatagrams(t, "udp", "127.0.0.1:0")
			add := func(c *entity.Config) {
				c.Services[0].Name = "shop"
				c.Consumers[0].CustomID = "al,ice"
			}
			g := plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition(), keyauth.Definition()}, add,
				entity.Record{"name": name, "config": server.Config(tt.config)}, entity.Record{"name": "key-auth"})
			g.Send(t, http.MethodGet, "/", "", "apikey:alices-key")
			for _, want := range tt.want {
				got := figure.ReplaceAllString(server.Receive(t), ":N|ms")
				if strings.HasSuffix(strings.SplitN(want, "|#", 2)[0], "|d") {
					got = regexp.MustCompile(`:\d+\|d`).ReplaceAllString(got, ":N|d")
				}
				if got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}
