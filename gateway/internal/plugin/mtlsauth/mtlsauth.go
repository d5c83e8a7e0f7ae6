package mtlsauth

import (
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is the configuration as it is stored.
type config struct {
	Anonymous          string   `json:"anonymous"`
	CACertificates     []string `json:"ca_certificates"`
	ConsumerBy         []string `json:"consumer_by"`
	DefaultConsumer    string   `json:"default_consumer"`
	SkipConsumerLookup bool     `json:"skip_consumer_lookup"`
	GroupBy            string   `json:"authenticated_group_by"`
}

// auth knows a consumer by the names in the certificate of its connection.
type auth struct{ config }

// The messages are Kong's.
var (
	noneBody  = []byte(`{"message":"No required TLS certificate was sent"}`)
	wrongBody = []byte(`{"message":"TLS certificate failed verification"}`)
)

// Fields that tell the upstream whose certificate it is, where no consumer is looked for.
const (
	subjectField = "X-Client-Cert-Dn"
	namesField   = "X-Client-Cert-San"
)

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	a := &auth{}
	if err := plugin.DecodeConfig(c, &a.config); err != nil {
		return nil, err
	}
	for i, id := range a.CACertificates {
		a.CACertificates[i] = strings.ToLower(id)
	}
	return a, nil
}

// Access lets clients pass whose certificate is signed by one of the authorities, and the
// anonymous consumer where there is one.
func (a *auth) Access(x *plugin.Exchange) (answered bool) {
	if a.Anonymous != "" && x.Authenticated {
		return false // as in Kong: one credential of several kinds is enough then
	}
	refusal := wrongBody
	switch shown := x.Certificate; {
	case shown == nil:
		refusal = noneBody
	case shown.SignedBy(x.Directory.Authorities(a.CACertificates)) && a.admit(x, shown):
		return false
	}
	if a.Anonymous != "" && x.IdentifyAnonymous(a.Anonymous) {
		return false
	}
	if x.Certificate == nil {
		// The handshake may have been before the plugin was configured: a new one asks.
		x.Ctx.Response.SetConnectionClose()
	}
	plugin.Answer(&x.Ctx.Response, fasthttp.StatusUnauthorized, refusal)
	return true
}

// admit says whose request it is. false: nobody is known by that certificate.
func (a *auth) admit(x *plugin.Exchange, shown *plugin.ClientCertificate) bool {
	names := shown.Names()
	if a.SkipConsumerLookup {
		subject := &shown.Chain[0].Subject
		a.tell(x, subject.String(), names)
		group := subject.CommonName
		if a.GroupBy == bySubject {
			group = subject.String()
		}
		if group != "" {
			x.Groups = []string{group}
		}
		return true
	}
	for _, name := range names {
		if c, ok := a.find(x.Directory, name); ok {
			x.Identify(plugin.Credential{Consumer: c}, "")
			return true
		}
	}
	if a.DefaultConsumer == "" {
		return false
	}
	c, ok := x.Directory.Consumer(a.DefaultConsumer)
	if ok {
		x.Identify(plugin.Credential{Consumer: c}, "")
	}
	return ok
}

// find returns the consumer of that name, not one whose id is the name.
func (a *auth) find(d *plugin.Directory, name string) (*entity.Consumer, bool) {
	for _, by := range a.ConsumerBy {
		c, ok := d.Consumer(name)
		if by == byCustomID {
			c, ok = d.ConsumerByCustomID(name)
		}
		if ok && (by == byCustomID || c.Username == name) {
			return c, true
		}
	}
	return nil, false
}

// tell tells the upstream, and a cache, whose certificate it is.
func (a *auth) tell(x *plugin.Exchange, subject string, names []string) {
	h := &x.Ctx.Request.Header
	plugin.DeleteField(h, subjectField)
	plugin.DeleteField(h, namesField)
	h.Set(subjectField, subject)
	if len(names) > 0 {
		h.Set(namesField, strings.Join(names, ","))
	}
	x.Authenticated = true
	x.IdentifySubject(subject, strings.Join(names, "\n"))
}

// Authenticates marks the plugin as one that identifies the client.
func (a *auth) Authenticates() {}

// AsksCertificate has handshakes ask for a certificate.
func (a *auth) AsksCertificate() {}

var (
	_ plugin.AccessPhase      = (*auth)(nil)
	_ plugin.Authenticator    = (*auth)(nil)
	_ plugin.CertificateAsker = (*auth)(nil)
)
