package redisconn

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/gatelab/gatelab/gateway/internal/socket"
)

// defaultRedirections is how often a cluster may send a command on to another of its nodes.
const defaultRedirections = 3

// connect makes the client of a server, of a cluster, or of the master that Sentinels name. In all three the breaker decides when to try
// again, not the pool.
func (c *Config) connect(o Options, timeout, dial time.Duration) redis.UniversalClient {
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch {
	case o.Cluster != "":
		redirections := o.Redirections
		if redirections == 0 {
			redirections = defaultRedirections
		}
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: strings.Split(o.Cluster, ","), Username: o.Username, Password: o.Password, Protocol: 2,
			MaxRedirects: redirections, MaxRetries: -1, DialerRetries: 1, DisableRoutingPolicies: true,
			DialTimeout: dial, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
			PoolSize: c.PoolSize, ContextTimeoutEnabled: true, DisableIdentity: true,
			Dialer: c.dialer(o, dial), MaintNotificationsConfig: quiet,
			ClusterStateReloadInterval: stateReload,
		})
	case o.Master != "":
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: o.Master, SentinelAddrs: strings.Split(o.Sentinels, ","),
			SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
			Username: o.Username, Password: o.Password, DB: o.Database, Protocol: 2,
			MaxRetries: -1, DialerRetries: 1,
			DialTimeout: dial, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
			PoolSize: c.PoolSize, ContextTimeoutEnabled: true, DisableIdentity: true, Dialer: c.dialer(o, dial),
		})
	}
	var secure *tls.Config
	if o.TLS {
		secure = c.tls(o)
	}
	return redis.NewClient(&redis.Options{
		Addr: o.Address(), Username: o.Username, Password: o.Password, DB: o.Database, Protocol: 2,
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: dial, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		PoolSize: c.PoolSize, ContextTimeoutEnabled: true, DisableIdentity: true, TLSConfig: secure, MaintNotificationsConfig: quiet,
	})
}

// stateReload is how often the slots of a cluster are read anew; a redirection has them read at once.
const stateReload = 10 * time.Second

// dialer connects to one of several servers, over TLS if that is asked for: by the name of each, where none is given for all of them.
func (c *Config) dialer(o Options, timeout time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := net.Dialer{Timeout: timeout, KeepAlive: 5 * time.Minute}
	if !o.TLS {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := plain.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return socket.New(nc), nil
		}
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		d := tls.Dialer{NetDialer: &plain, Config: c.tls(Options{Host: host, ServerName: o.ServerName, VerifyTLS: o.VerifyTLS})}
		return d.DialContext(ctx, network, addr)
	}
}
