package redisconfig

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// several are the fields that name more than one server: the nodes of a Redis Cluster, or the Sentinels that know which server is the
// master. Each has the spelling of Kong 3.4, a list of host:port, and that of later versions.
func several() []entity.Field {
	node := func(host string) *entity.Field {
		return &entity.Field{Kind: entity.Rec, Fields: []entity.Field{
			{Name: host, Kind: entity.String, Match: "host", Required: true, Default: "127.0.0.1"},
			{Name: "port", Kind: entity.Integer, Default: 6379, Between: &[2]float64{0, 65535}},
		}}
	}
	addresses := &entity.Field{Kind: entity.String}
	return []entity.Field{
		{Name: "sentinel_master", Kind: entity.String},
		{Name: "sentinel_role", Kind: entity.String, OneOf: []any{"master"}},
		{Name: "sentinel_nodes", Kind: entity.Array, Elements: node("host"), LenMin: 1},
		{Name: "sentinel_addresses", Kind: entity.Array, Elements: addresses, LenMin: 1},
		{Name: "sentinel_username", Kind: entity.String, Referenceable: true},
		{Name: "sentinel_password", Kind: entity.String, Referenceable: true, Encrypted: true},
		{Name: "cluster_nodes", Kind: entity.Array, Elements: node("ip"), LenMin: 1},
		{Name: "cluster_addresses", Kind: entity.Array, Elements: addresses, LenMin: 1},
		{Name: "cluster_max_redirections", Kind: entity.Integer, Default: 5, Between: &[2]float64{1, 16}},
	}
}

// Problem is what is wrong with the record "redis" of a configuration that counts or stores in Redis: it names none, or several. nil:
// nothing is.
func Problem(c entity.Record) map[string]any {
	r, _ := c["redis"].(map[string]any)
	wrong := func(field, message string) map[string]any {
		return map[string]any{"redis": map[string]any{field: message}}
	}
	given := func(names ...string) string {
		for _, name := range names {
			if r[name] != nil {
				return name
			}
		}
		return ""
	}
	for _, name := range []string{"sentinel_addresses", "cluster_addresses"} {
		list, _ := r[name].([]any)
		for _, v := range list {
			text, _ := v.(string)
			if _, port, err := net.SplitHostPort(text); err != nil || !isPort(port) {
				return wrong(name, strconv.Quote(text)+": want host:port, as in 10.0.0.1:6379")
			}
		}
	}
	cluster := given("cluster_nodes", "cluster_addresses")
	sentinel := given("sentinel_nodes", "sentinel_addresses")
	switch {
	case cluster != "" && given("sentinel_master", "sentinel_nodes", "sentinel_addresses") != "":
		return wrong(cluster, "not beside sentinel fields: want a cluster, Sentinels or a host")
	case cluster+sentinel != "" && r["host"] != nil:
		return wrong("host", "not beside "+cluster+sentinel+": want a cluster, Sentinels or a host")
	case cluster != "" && r["database"] != nil && fmt.Sprint(r["database"]) != "0":
		return wrong("database", "a Redis Cluster has database 0 alone")
	case sentinel != "" && r["sentinel_master"] == nil:
		return wrong("sentinel_master", "required field missing: the name of the master that the Sentinels watch")
	case sentinel == "" && r["sentinel_master"] != nil:
		return wrong("sentinel_nodes", "required field missing: the Sentinels that know the master")
	case cluster+sentinel == "" && r["host"] == nil:
		return wrong("host", "required field missing")
	}
	return nil
}

// NoCluster refuses a Redis Cluster, for what needs several keys at once. why says so.
func NoCluster(why string) entity.Check {
	return entity.Check{Run: func(c entity.Record) map[string]any {
		r, _ := c["redis"].(map[string]any)
		for _, name := range []string{"cluster_nodes", "cluster_addresses"} {
			if r[name] != nil {
				return map[string]any{"redis": map[string]any{name: why}}
			}
		}
		return nil
	}}
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// severalConfig are the fields as they are stored.
type severalConfig struct {
	SentinelMaster    string   `json:"sentinel_master"`
	SentinelNodes     []node   `json:"sentinel_nodes"`
	SentinelAddresses []string `json:"sentinel_addresses"`
	SentinelUsername  string   `json:"sentinel_username"`
	SentinelPassword  string   `json:"sentinel_password"`
	ClusterNodes      []node   `json:"cluster_nodes"`
	ClusterAddresses  []string `json:"cluster_addresses"`
	MaxRedirections   int      `json:"cluster_max_redirections"`
}

// node is one server.
type node struct {
	IP   string `json:"ip"`   // of a cluster's
	Host string `json:"host"` // of a Sentinel
	Port int    `json:"port"`
}

// IsCluster tells whether the record names a Redis Cluster.
func (c *severalConfig) IsCluster() bool { return len(c.ClusterNodes)+len(c.ClusterAddresses) > 0 }

func (c *severalConfig) into(o *redisconn.Options) {
	if c.IsCluster() {
		o.Cluster, o.Redirections = addresses(c.ClusterNodes, c.ClusterAddresses), c.MaxRedirections
		return
	}
	if c.SentinelMaster != "" {
		o.Master, o.Sentinels = c.SentinelMaster, addresses(c.SentinelNodes, c.SentinelAddresses)
		o.SentinelUsername, o.SentinelPassword = c.SentinelUsername, c.SentinelPassword
	}
}

// addresses are those of both spellings, with commas between them.
func addresses(nodes []node, more []string) string {
	var all []string
	for _, n := range nodes {
		host := n.IP
		if host == "" {
			host = n.Host
		}
		all = append(all, net.JoinHostPort(host, strconv.Itoa(n.Port)))
	}
	return strings.Join(append(all, more...), ",")
}
