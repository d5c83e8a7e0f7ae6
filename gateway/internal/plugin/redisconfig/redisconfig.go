// Package redisconfig is the record "redis" that several of Kong's plugins
// have: its schema, and what it means to a connection.
package redisconfig

import (
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// maxDatabase is the highest number of a Redis database that is accepted: more
// than any server is set up with.
const maxDatabase = 65535

// defaultTimeout is Kong's default of redis.timeout. It is in every stored
// configuration, and so says nothing: the gateway's own time-outs hold then. A
// hanging Redis must not hold requests up for two seconds unless that is asked for.
const defaultTimeout = 2000

// Field is the schema of the record. Whether it is needed is for a Check to
// say: see Required.
func Field() entity.Field {
	return entity.Field{Name: "redis", Kind: entity.Rec, Required: true, Fields: append(Server(), several()...)}
}

// Server are the fields of the record that say what one server is.
func Server() []entity.Field {
	return []entity.Field{
		{Name: "host", Kind: entity.String, Match: "host", Referenceable: true},
		{Name: "port", Kind: entity.Integer, Default: 6379, Between: &[2]float64{0, 65535}},
		{Name: "timeout", Kind: entity.Integer, Default: defaultTimeout, Between: &[2]float64{0, entity.MaxTimeout}},
		{Name: "username", Kind: entity.String, Referenceable: true},
		{Name: "password", Kind: entity.String, Referenceable: true, Encrypted: true},
		{Name: "database", Kind: entity.Integer, Default: 0, Between: &[2]float64{0, maxDatabase}},
		{Name: "ssl", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "ssl_verify", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "server_name", Kind: entity.String, Match: "sni", Referenceable: true},
	}
}

// Required is the check that the record names a Redis where the field named by says
// "redis".
func Required(by string) entity.Check {
	return entity.Check{Run: func(c entity.Record) map[string]any {
		if c[by] != "redis" {
			return nil
		}
		return Problem(c)
	}}
}

// Config is the record as it is stored.
type Config struct {
	Host       string `json:"host"`
	Port       int    `json:"port"`
	Username   string `json:"username"`
	Password   string `json:"password"`
	Database   int    `json:"database"`
	SSL        bool   `json:"ssl"`
	SSLVerify  bool   `json:"ssl_verify"`
	ServerName string `json:"server_name"`
	Timeout    int    `json:"timeout"` // milliseconds
	severalConfig
}

// Named tells whether the record names a Redis.
func (c *Config) Named() bool { return c.Host != "" || c.IsCluster() || c.SentinelMaster != "" }

// Options is how the Redis is connected to.
func (c *Config) Options() redisconn.Options {
	o := redisconn.Options{
		Host: c.Host, Port: c.Port, Username: c.Username, Password: c.Password, Database: c.Database,
		TLS: c.SSL, VerifyTLS: c.SSL && c.SSLVerify,
	}
	if c.SSL {
		o.ServerName = c.ServerName
	}
	c.into(&o)
	if c.Timeout != defaultTimeout {
		o.Timeout = time.Duration(c.Timeout) * time.Millisecond
	}
	return o
}
