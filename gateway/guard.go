package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatelab/gateway/internal/admin"
	"gatelab/internal/webguard"
)

// refusals counts what the guards of the listeners refuse, from 0 on.
type refusals struct{ total *prometheus.CounterVec }

func newRefusals(metrics prometheus.Registerer) refusals {
	r := refusals{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_listener_refused_total",
		Help: "Requests to the Admin API and the status listener that were refused, by reason: host, origin, site, token, role.",
	}, []string{"listener", "reason"})}
	metrics.MustRegister(r.total)
	for _, reason := range webguard.Reasons() {
		r.total.WithLabelValues("status", reason)
		r.total.WithLabelValues("admin", reason)
	}
	r.total.WithLabelValues("admin", admin.ReasonToken)
	r.total.WithLabelValues("admin", admin.ReasonRole)
	return r
}

// makeGuards makes what stands before the Admin API and the status listener.
func (p *program) makeGuards() (err error) {
	s, log := p.settings, p.log.With("part", "admin")
	p.refusals = newRefusals(p.metrics)
	p.guards.admin, err = webguard.New(webguard.Config{
		Listen: s.adminListen, Hosts: s.adminHosts, Origins: s.adminOrigins,
		Headers: []string{"Authorization", "Content-Type", admin.TokenHeader},
		Refuse:  p.refuse("admin", "admin_hosts", "admin_origins"),
	})
	if err != nil {
		return fmt.Errorf("admin_listen: %w", err)
	}
	p.guards.status, err = webguard.New(webguard.Config{
		Listen: s.statusListen, Hosts: s.statusHosts, Refuse: p.refuse("status", "status_hosts", ""),
		// A profile costs CPU: a foreign page must not cause one even where it
		// cannot read it.
		Costly: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/debug/") },
	})
	if err != nil {
		return fmt.Errorf("status_listen: %w", err)
	}
	if p.tokens, err = openTokens(s, log); err != nil {
		return err
	}
	p.adminTLS, err = newAdminTLS(s, log)
	if err == nil && s.isOpen() {
		log.Warn(openAdmin, "admin_listen", s.adminListen)
	}
	return err
}

const openAdmin = "every client that reaches admin_listen may use the Admin API: set admin_tokens_file or admin_tls_client_ca"

// isOpen tells whether others than this machine's users reach an Admin API that
// asks for no credentials.
func (s *settings) isOpen() bool {
	return s.adminTokensFile == "" && s.adminTLSClientCA == "" && !loopback(s.adminListen)
}

func loopback(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// refuse answers what a guard refuses, and names the setting that would let it
// pass.
func (p *program) refuse(listener, hosts, origins string) func(http.ResponseWriter, *http.Request, *webguard.Refusal) {
	return func(w http.ResponseWriter, r *http.Request, why *webguard.Refusal) {
		p.refusals.total.WithLabelValues(listener, why.Reason).Inc()
		message := why.Message
		switch {
		case why.Reason == webguard.ReasonHost:
			message += "; the setting is " + hosts
		case origins != "":
			message += "; the setting is " + origins
		}
		admin.Refuse(w, r, http.StatusForbidden, message)
	}
}

// limits are those of the listeners that net/http serves. A change may wait for
// a connection to Postgres and for its answers before it is answered.
func (s *settings) limits() webguard.Limits {
	return webguard.Limits{
		Read:  s.adminReadTimeout,
		Write: max(time.Minute, s.adminReadTimeout+s.pgAcquireTimeout+4*s.pgQueryTimeout),
	}
}

// secureAdmin puts guard and tokens before the Admin API.
func (p *program) secureAdmin(api http.Handler) http.Handler {
	refused := func(reason string) { p.refusals.total.WithLabelValues("admin", reason).Inc() }
	return p.guards.admin.Wrap(admin.Authorize(p.tokens, refused, api))
}

// openTokens reads admin_tokens_file, where there is one.
func openTokens(s *settings, log *slog.Logger) (*admin.Tokens, error) {
	if s.adminTokensFile == "" {
		return nil, nil
	}
	tokens, err := admin.OpenTokens(s.adminTokensFile, log, nil)
	if err != nil {
		return nil, fmt.Errorf("admin_tokens_file=%q: %w", s.adminTokensFile, err)
	}
	return tokens, nil
}
