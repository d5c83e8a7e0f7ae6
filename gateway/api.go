package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/gatelab/gatelab/gateway/internal/admin"
	"github.com/gatelab/gatelab/gateway/internal/settings"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
	"github.com/gatelab/gatelab/internal/webguard"
)

// kongVersion is the version of Kong whose Admin API ours is: clients choose by
// it what to send.
const kongVersion = "3.4.2"

const openAdminWarning = "every client that reaches admin_listen may use the Admin API: set admin_tokens_file or admin_tls_client_ca"

// makeGuards makes what protects the Admin API and the status listener.
func (p *program) makeGuards() (err error) {
	s, log := p.settings, p.log.With("part", "admin")
	p.rejections, p.refusals = admin.NewRejections(p.metrics), admin.NewRefusals(p.metrics)
	p.guards.admin, err = admin.NewAdminGuard(
		admin.GuardConfig{Listen: s.AdminListen, Hosts: s.AdminHosts, Origins: s.AdminOrigins}, p.rejections)
	if err != nil {
		return fmt.Errorf("admin_listen: %w", err)
	}
	p.guards.status, err = admin.NewStatusGuard(admin.GuardConfig{Listen: s.StatusListen, Hosts: s.StatusHosts}, p.rejections)
	if err != nil {
		return fmt.Errorf("status_listen: %w", err)
	}
	if p.tokens, err = openTokens(s, log); err != nil {
		return err
	}
	if p.tls, err = openAdminTLS(s, log); err != nil {
		return err
	}
	if s.AdminIsOpen() {
		log.Warn(openAdminWarning, "admin_listen", s.AdminListen)
	}
	return nil
}

// openTokens reads admin_tokens_file; nil where there is none.
func openTokens(s *settings.Settings, log *slog.Logger) (*admin.Tokens, error) {
	if s.AdminTokensFile == "" {
		return nil, nil
	}
	tokens, err := admin.OpenTokens(s.AdminTokensFile, log, nil)
	if err != nil {
		return nil, fmt.Errorf("admin_tokens_file=%q: %w", s.AdminTokensFile, err)
	}
	return tokens, nil
}

// openAdminTLS reads the certificates of the Admin API; nil where there are none.
func openAdminTLS(s *settings.Settings, log *slog.Logger) (*admin.TLS, error) {
	if s.AdminTLSCert == "" {
		return nil, nil
	}
	return admin.OpenTLS(admin.TLSFiles{Cert: s.AdminTLSCert, Key: s.AdminTLSKey, ClientCA: s.AdminTLSClientCA}, log)
}

// adminHandler returns the Admin API with what protects it.
func (p *program) adminHandler() http.Handler {
	host, err := os.Hostname()
	if err != nil {
		host = p.settings.NodeName
	}
	log := p.log.With("part", "admin")
	var trials admin.TrialStore // nil, and not a *store.Postgres that is
	if p.store != nil {
		trials = p.store
	}
	api := admin.New(admin.Config{
		Trials:  trials,
		Schemas: p.plugins.Catalog(),
		Version: kongVersion, NodeID: uuid.NewString(), Hostname: host,
		ProxyListen: p.sockets.proxy.Addr().String(), AdminListen: p.sockets.admin.Addr().String(),
		Targets: p.targets, DBLess: p.file, Refusals: p.refusals, Metrics: admin.MetricsHandler(p.metrics, false, p.log),
	}, admin.RejectUnresolvable(p.entities(), os.LookupEnv), log)
	if p.store != nil { // a file is in use when POST /config is answered
		api = admin.AwaitServed(api, admin.Serving{Revision: p.store.Revision, Await: p.reloader.Await, Wait: p.settings.AdminWait})
	}
	api = admin.WithProxyCache(api, p.cache, p.log)
	rejected := func(reason string) { p.rejections.Count(admin.ListenerAdmin, reason) }
	return p.guards.admin.Wrap(admin.Authorize(p.tokens, rejected, api))
}

func (p *program) statusHandler() http.Handler {
	return p.guards.status.Wrap(admin.NewStatus(admin.StatusConfig{
		Readiness: &p.readiness, Revision: p.proxy.Revision, Metrics: p.metrics, Profiles: p.settings.Profiles, Log: p.log,
	}))
}

// httpLimits are the time limits of the Admin API and the status listener. A
// change may wait for a connection to Postgres and for several queries.
func httpLimits(s *settings.Settings) webguard.Limits {
	return webguard.Limits{
		Read:  s.AdminReadTimeout,
		Write: max(time.Minute, s.AdminReadTimeout+s.PostgresAcquireTimeout+4*s.PostgresQueryTimeout),
	}
}

// balancers are the data plane's load balancers as the Admin API sees them.
type balancers struct{ pools *upstream.Pools }

func (b balancers) Standings(upstreamID string) map[string]admin.Standing {
	out := map[string]admin.Standing{}
	for address, s := range b.pools.Standings(upstreamID) {
		out[address] = admin.Standing{Health: s.Health, Addresses: s.Addresses}
	}
	return out
}

func (b balancers) SetHealth(upstreamID, target string, healthy bool) {
	b.pools.SetHealth(upstreamID, target, healthy)
}
