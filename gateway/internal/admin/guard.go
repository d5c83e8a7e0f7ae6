package admin

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/internal/webguard"
)

// The listeners that guards protect, by the label of the metric.
const (
	ListenerAdmin  = "admin"
	ListenerStatus = "status"
)

// Rejections counts the requests that guards and tokens reject.
type Rejections struct{ total *prometheus.CounterVec }

// NewRejections registers the counter, with a series per reason from the start.
func NewRejections(metrics prometheus.Registerer) *Rejections {
	r := &Rejections{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_listener_refused_total",
		Help: "Requests to the Admin API and the status listener that were rejected, by reason: host, origin, site, token, role.",
	}, []string{"listener", "reason"})}
	metrics.MustRegister(r.total)
	for _, reason := range webguard.Reasons() {
		r.total.WithLabelValues(ListenerStatus, reason)
		r.total.WithLabelValues(ListenerAdmin, reason)
	}
	r.total.WithLabelValues(ListenerAdmin, ReasonToken)
	r.total.WithLabelValues(ListenerAdmin, ReasonRole)
	return r
}

// Count counts a rejected request of a listener.
func (r *Rejections) Count(listener, reason string) { r.total.WithLabelValues(listener, reason).Inc() }

// GuardConfig says from where a listener may be used.
type GuardConfig struct {
	Listen  string   // the listener's address, host:port
	Hosts   []string // further names of it
	Origins []string // web pages that may use it
}

// NewAdminGuard makes the guard of the Admin API. Responses name the setting
// that would let a rejected request pass.
func NewAdminGuard(c GuardConfig, rejections *Rejections) (*webguard.Guard, error) {
	return webguard.New(webguard.Config{
		Listen: c.Listen, Hosts: c.Hosts, Origins: c.Origins,
		Headers: []string{"Authorization", "Content-Type", TokenHeader},
		Refuse:  rejections.respond(ListenerAdmin, "admin_hosts", "admin_origins"),
	})
}

// NewStatusGuard makes the guard of the status listener.
func NewStatusGuard(c GuardConfig, rejections *Rejections) (*webguard.Guard, error) {
	return webguard.New(webguard.Config{
		Listen: c.Listen, Hosts: c.Hosts, Refuse: rejections.respond(ListenerStatus, "status_hosts", ""),
		// A profile costs CPU time: a foreign page must not request one, even if it
		// cannot read it.
		Costly: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/debug/") },
	})
}

// respond answers a rejected request. hosts and origins are names of settings;
// origins may be empty.
func (r *Rejections) respond(listener, hosts, origins string) func(http.ResponseWriter, *http.Request, *webguard.Refusal) {
	return func(w http.ResponseWriter, req *http.Request, why *webguard.Refusal) {
		r.Count(listener, why.Reason)
		message := why.Message
		switch {
		case why.Reason == webguard.ReasonHost:
			message += "; the setting is " + hosts
		case origins != "":
			message += "; the setting is " + origins
		}
		Refuse(w, req, http.StatusForbidden, message)
	}
}
