package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatelab/gateway/internal/admin"
	"gatelab/gateway/internal/store"
)

// openStore makes the store; it does not wait for Postgres. metrics may be
// nil, and so may log.
func openStore(ctx context.Context, s *settings, metrics prometheus.Registerer, log *slog.Logger) (*store.Postgres, error) {
	// The pool outlives the signal that ends ctx: a drain still needs it.
	return store.Open(context.WithoutCancel(ctx), store.Config{
		DSN: s.pgDSN, MaxConns: s.pgMaxConns, AcquireTimeout: s.pgAcquireTimeout, PollInterval: s.pgPollInterval, QueryTimeout: s.pgQueryTimeout, Log: log,
	}, metrics)
}

func isPoolExhausted(err error) bool { return errors.Is(err, store.ErrPoolExhausted) }

// kongVersion is whose Admin API ours is: clients choose by it what to send.
const kongVersion = "3.4.2"

// newAdmin makes the Admin API over p's store.
func newAdmin(p *program) http.Handler {
	host, err := os.Hostname()
	if err != nil {
		host = p.settings.nodeName
	}
	return admin.New(admin.Config{
		Version: kongVersion, NodeID: uuid.NewString(), Hostname: host,
		ProxyListen: p.listeners.proxy.Addr().String(), AdminListen: p.listeners.admin.Addr().String(),
		Standings: p.standings, SetHealth: p.setHealth,
		Metrics: promhttp.HandlerFor(gatherer(p.metrics, p.log), promhttp.HandlerOpts{MaxRequestsInFlight: 3}),
	}, resolvable{p.store, os.LookupEnv}, p.log.With("part", "admin"))
}
