package redisconfig

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
)

var uses = entitytest.Uses{
	"redis.host":        `.: json:"host" + .Host`,
	"redis.port":        `.: json:"port" + .Port`,
	"redis.timeout":     `.: json:"timeout" + .Timeout`,
	"redis.username":    `.: json:"username" + .Username`,
	"redis.password":    `.: json:"password" + .Password`,
	"redis.database":    `.: json:"database" + .Database`,
	"redis.ssl":         `.: json:"ssl" + .SSL`,
	"redis.ssl_verify":  `.: json:"ssl_verify" + .SSLVerify`,
	"redis.server_name": `.: json:"server_name" + .ServerName`,

	"redis.sentinel_master":          ".: c.SentinelMaster",
	"redis.sentinel_role":            "any: only the master is accepted",
	"redis.sentinel_nodes":           ".: c.SentinelNodes",
	"redis.sentinel_nodes.host":      ".: n.Host",
	"redis.sentinel_nodes.port":      ".: n.Port",
	"redis.sentinel_addresses":       ".: c.SentinelAddresses",
	"redis.sentinel_username":        ".: c.SentinelUsername",
	"redis.sentinel_password":        ".: c.SentinelPassword",
	"redis.cluster_nodes":            ".: c.ClusterNodes",
	"redis.cluster_nodes.ip":         ".: n.IP",
	"redis.cluster_nodes.port":       ".: n.Port",
	"redis.cluster_addresses":        ".: c.ClusterAddresses",
	"redis.cluster_max_redirections": ".: c.MaxRedirections",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"redis": Field().Fields}, nil)
}

func TestOptions(t *testing.T) {
	plain := Config{Host: "h", Port: 6379, Timeout: defaultTimeout, SSLVerify: true, ServerName: "n"}
	if o := plain.Options(); o.TLS || o.VerifyTLS || o.ServerName != "" || o.Timeout != 0 {
		t.Errorf("without TLS, and with the default time-out: %+v", o)
	}
	tls := Config{Host: "h", SSL: true, SSLVerify: true, ServerName: "n", Timeout: 50}
	if o := tls.Options(); !o.TLS || !o.VerifyTLS || o.ServerName != "n" || o.Timeout.Milliseconds() != 50 {
		t.Errorf("with TLS: %+v", o)
	}
}

func TestSeveralServers(t *testing.T) {
	cluster := Config{severalConfig: severalConfig{ClusterNodes: []node{{IP: "a", Port: 1}, {IP: "::1", Port: 2}}, MaxRedirections: 4}}
	if o := cluster.Options(); o.Cluster != "a:1,[::1]:2" || o.Redirections != 4 || o.Sentinels != "" || !cluster.Named() {
		t.Errorf("a cluster: %+v", o)
	}
	watched := Config{severalConfig: severalConfig{
		SentinelMaster: "m", SentinelAddresses: []string{"s:1"}, SentinelNodes: []node{{Host: "h", Port: 2}},
		SentinelUsername: "u", SentinelPassword: "p"}}
	if o := watched.Options(); o.Master != "m" || o.Sentinels != "h:2,s:1" || o.SentinelUsername != "u" || o.SentinelPassword != "p" ||
		o.Cluster != "" || !watched.Named() {
		t.Errorf("behind Sentinels: %+v", o)
	}
}

func TestWhatNamesNoRedis(t *testing.T) {
	nodes := []any{map[string]any{"host": "h", "port": int64(1)}}
	for name, c := range map[string]struct {
		redis map[string]any
		field string // that is refused; empty: none
	}{
		"nothing":                      {nil, "host"},
		"a host":                       {map[string]any{"host": "h", "database": int64(3)}, ""},
		"a cluster":                    {map[string]any{"cluster_nodes": nodes, "database": int64(0)}, ""},
		"a cluster in Kong 3.4's way":  {map[string]any{"cluster_addresses": []any{"h:1"}}, ""},
		"an address without a port":    {map[string]any{"cluster_addresses": []any{"h"}}, "cluster_addresses"},
		"a cluster and a host":         {map[string]any{"cluster_nodes": nodes, "host": "h"}, "host"},
		"a database of a cluster":      {map[string]any{"cluster_nodes": nodes, "database": int64(1)}, "database"},
		"a cluster and Sentinels":      {map[string]any{"cluster_nodes": nodes, "sentinel_nodes": nodes}, "cluster_nodes"},
		"Sentinels":                    {map[string]any{"sentinel_nodes": nodes, "sentinel_master": "m", "database": int64(2)}, ""},
		"Sentinels without a master":   {map[string]any{"sentinel_nodes": nodes}, "sentinel_master"},
		"a master without Sentinels":   {map[string]any{"sentinel_master": "m"}, "sentinel_nodes"},
		"Sentinels of another address": {map[string]any{"sentinel_master": "m", "sentinel_addresses": []any{"h:0"}}, "sentinel_addresses"},
	} {
		got, _ := Problem(entity.Record{"redis": c.redis})["redis"].(map[string]any)
		if _, refused := got[c.field]; c.field == "" && got != nil || c.field != "" && !refused {
			t.Errorf("%s: %v is refused, want %q", name, got, c.field)
		}
	}
}
