package plugin

import (
	"slices"
	"time"
)

// step is one plugin name's place in a chain: the configuration that applies
// to all consumers, and those of single consumers.
type step struct {
	base     *phases            // nil where only some consumers have the plugin
	consumer map[string]*phases // by consumer id; nil where no consumer has one of their own
}

// all are the step's configurations.
func (s *step) all(yield func(*phases) bool) {
	if s.base != nil && !yield(s.base) {
		return
	}
	for _, f := range s.consumer {
		if !yield(f) {
			return
		}
	}
}

// Chain is what the requests of one route pass, in Kong's order.
type Chain struct {
	steps []step

	asks          bool // a step has an AskPhase
	readsBody     bool // a step may look into the request's body
	filtersBody   bool // a step may want the response's body
	authenticates bool // a step that applies to all consumers identifies the client
	certificate   bool // a step asks for the client's certificate
	times         bool // a step reads the times of phases and tries
	maxBody       int  // bytes
	secrets       []string
	diversions    []Diversion
}

// Access runs the access phase until one plugin answers. As in Kong the plugins
// behind that one are not asked, but take part in the phases of the response: a
// 401 has the headers of cors, and is counted and logged as any other response.
func (c *Chain) Access(x *Exchange) (answered bool) {
	x.maxBody = c.maxBody
	if c.times {
		x.Times.Access = time.Now()
		defer func() { x.Times.Accessed = time.Now() }()
	}
	for i := range c.steps {
		s := &c.steps[i]
		f := s.base
		if s.consumer != nil && x.Consumer != nil {
			if own, ok := s.consumer[x.Consumer.ID]; ok {
				f = own
			}
		}
		if f == nil {
			continue
		}
		if !answered && f.access != nil && f.access.Access(x) {
			// It wrote its response whole: it is logged, but not asked again.
			x.answered = f
			answered = true
			continue
		}
		x.passed = append(x.passed, f)
	}
	return answered
}

// Ask runs the phase before the upstream is asked, until one plugin answers. It counts
// then as one that has answered in Access.
func (c *Chain) Ask(x *Exchange) (answered bool) {
	if !c.asks {
		return false
	}
	for i, f := range x.passed {
		if f.ask != nil && f.ask.Ask(x) {
			x.answered = f
			x.passed = slices.Delete(x.passed, i, i+1)
			return true
		}
	}
	return false
}

// ReadsRequestBody tells whether a step may look into the request's body.
func (c *Chain) ReadsRequestBody() bool { return c.readsBody }

// Authenticates tells whether a step that applies to all consumers identifies
// the client.
func (c *Chain) Authenticates() bool { return c.authenticates }

// AsksCertificate tells whether a step asks for the client's certificate.
func (c *Chain) AsksCertificate() bool { return c.certificate }

// ReadsTimes tells whether a step reads the times of phases and tries.
func (c *Chain) ReadsTimes() bool { return c.times }

// Diversions are the upstreams that steps may send requests to, beside the
// service's.
func (c *Chain) Diversions() []Diversion { return c.diversions }

// Filter runs the phases of the response: the header filters of every plugin
// but one that answered, then their body filters. The error says that the
// body could not be read; nothing of the response has been sent then.
func (c *Chain) Filter(x *Exchange) error {
	if c.times {
		x.Times.Filter = time.Now()
		defer func() { x.Times.Filtered = time.Now() }()
	}
	filterHeader(x, true)
	filterHeader(x, false)
	if c.filtersBody {
		return filterBody(x)
	}
	return nil
}

func filterHeader(x *Exchange, first bool) {
	for _, f := range x.passed {
		if f.headerFilter != nil && f.first == first {
			f.headerFilter.HeaderFilter(x)
		}
	}
}

// Log runs the log phase of every plugin.
func (c *Chain) Log(x *Exchange) {
	x.Secrets = c.secrets
	for _, f := range x.passed {
		if f.log != nil {
			f.log.Log(x)
		}
	}
	if f := x.answered; f != nil && f.log != nil {
		f.log.Log(x)
	}
}

// add puts a step at the end.
func (c *Chain) add(s step) {
	c.steps = append(c.steps, s)
	for f := range s.all {
		c.readsBody = c.readsBody || f.readsRequestBody()
		c.asks = c.asks || f.ask != nil
		c.filtersBody = c.filtersBody || f.bodyFilter != nil
		if r, ok := f.plugin.(CredentialReader); ok {
			c.secrets = append(c.secrets, r.CredentialNames()...)
		}
		if d, ok := f.plugin.(Diverter); ok {
			c.diversions = append(c.diversions, d.Diversions()...)
		}
		_, asks := f.plugin.(CertificateAsker)
		c.certificate = c.certificate || asks
		_, times := f.plugin.(TimesReader)
		c.times = c.times || times
	}
	if s.base != nil {
		_, ok := s.base.plugin.(Authenticator)
		c.authenticates = c.authenticates || ok
	}
}
