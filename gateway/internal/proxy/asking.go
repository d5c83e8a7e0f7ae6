package proxy

import (
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// askingNames are the names for which handshakes ask for the client's certificate: those of
// routes with a plugin that wants it. Others do not, since browsers then ask their user.
type askingNames struct {
	all   bool // a route has no name of its own
	names map[string]bool
}

// askingNames are those of routes; nil where no plugin asks for certificates.
func (s *snapshot) askingNames(routes []*entity.Route) *askingNames {
	if !s.chains.AskCertificate() {
		return nil
	}
	a := &askingNames{names: map[string]bool{}}
	for i, r := range routes {
		if !s.routes[s.table.Slot(i)].chain.AsksCertificate() {
			continue
		}
		names := r.SNIs
		if len(names) == 0 {
			names = r.Hosts
		}
		a.all = a.all || len(names) == 0
		for _, name := range names {
			a.all = a.all || strings.Contains(name, "*")
			a.names[askedName(name)] = true
		}
	}
	return a
}

// askedName is a route's name, or a handshake's, to compare.
func askedName(name string) string {
	if host := hostOnly(name); host != "" {
		name = host
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// asks tells whether a handshake for a name asks for the client's certificate, also where
// only a trial's configuration does.
func (s *snapshot) asks(name string) bool {
	if s.choice != nil && s.choice.snapshot != nil && s.choice.snapshot.asking.has(name) {
		return true
	}
	return s.asking.has(name)
}

func (a *askingNames) has(name string) bool {
	return a != nil && (a.all || name == "" || a.names[askedName(name)])
}
