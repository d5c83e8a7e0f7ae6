package plugin

// The phases are Kong's, in the order in which a request passes them. A plugin
// implements those that it needs.

// AccessPhase runs before the upstream is asked. true says that the plugin has
// written x.Ctx.Response itself: the request goes no further, and plugins behind
// this one are not asked.
type AccessPhase interface {
	Access(x *Exchange) (answered bool)
}

// AskPhase runs when the upstream is about to be asked: a short body that is buffered has
// come by then. true says that the plugin has written x.Ctx.Response itself, as in
// Access: the upstream is not asked.
type AskPhase interface {
	Ask(x *Exchange) (answered bool)
}

// HeaderFilterPhase sees the response before it is sent: status and headers are
// in x.Ctx.Response, the body may still be a stream. It runs for every plugin of
// the chain, also when another one answered and this one was not asked for
// access; not for the one that answered.
type HeaderFilterPhase interface {
	HeaderFilter(x *Exchange)
}

// FirstFilter is a plugin whose header filter sees the response as the upstream
// sent it, before the other plugins' header filters change it: those run again
// when what it keeps is served.
type FirstFilter interface {
	FiltersFirst()
}

// BodyFilterPhase is given the whole body of a response, after all header
// filters and before anything is sent, and returns what the client gets in its
// place. body must not be changed: it may be a cached one. The plugin may change
// headers; Content-Length is put right afterwards. Bodies are as the upstream
// sent them: Content-Encoding says whether they are compressed.
//
// A response that is longer than Deps.MaxBodyBytes is answered with 502.
// Responses without a body (204, 304, the upstream's to HEAD) have nothing to filter. The plugin
// that answered in Access is not asked.
type BodyFilterPhase interface {
	BodyFilter(x *Exchange, body []byte) []byte
}

// BodyFilterSelector is a plugin with a body filter that does not want every
// response. It is asked once the header filters have run; a response that no
// plugin of the chain wants is streamed as it comes.
type BodyFilterSelector interface {
	FiltersBody(x *Exchange) bool
}

// LogPhase runs at the end of every request, also after an error or a lost
// client, and when another plugin answered before this one was asked for access. A streamed body has passed by then.
type LogPhase interface {
	Log(x *Exchange)
}

// RequestBodyReader is a plugin that may call Exchange.RequestBody in Access. A
// client that waits for 100 Continue is told to continue before such a plugin
// runs.
type RequestBodyReader interface {
	ReadsRequestBody() bool
}

// Authenticator is a plugin that identifies the client. Requests that reach
// its route by an ambiguous path are refused.
type Authenticator interface {
	Authenticates()
}

// TimesReader is a plugin that reads Exchange.Tries and Exchange.Times. For
// others they are not recorded.
type TimesReader interface {
	ReadsTimes()
}

// Diverter is a plugin that sends requests to other upstreams: to these, which the
// proxy makes ready for it.
type Diverter interface {
	Diversions() []Diversion
}

// CredentialReader is a plugin that takes a credential from a header field, query
// parameter or cookie of these names: logging plugins do not tell their values.
type CredentialReader interface {
	CredentialNames() []string
}

// phases are what a plugin implements, found out once.
type phases struct {
	plugin       Plugin
	access       AccessPhase       // nil: none
	ask          AskPhase          // nil: none
	headerFilter HeaderFilterPhase // nil: none
	bodyFilter   BodyFilterPhase   // nil: none
	selector     BodyFilterSelector
	log          LogPhase // nil: none
	first        bool     // the header filter is a FirstFilter's
}

func phasesOf(p Plugin) (f phases) {
	f.plugin = p
	f.access, _ = p.(AccessPhase)
	f.ask, _ = p.(AskPhase)
	f.headerFilter, _ = p.(HeaderFilterPhase)
	f.bodyFilter, _ = p.(BodyFilterPhase)
	f.selector, _ = p.(BodyFilterSelector)
	f.log, _ = p.(LogPhase)
	_, f.first = p.(FirstFilter)
	return f
}

func (f *phases) none() bool {
	return f.access == nil && f.ask == nil && f.headerFilter == nil && f.bodyFilter == nil && f.log == nil
}

func (f *phases) readsRequestBody() bool {
	r, ok := f.plugin.(RequestBodyReader)
	return ok && r.ReadsRequestBody()
}

func (f *phases) wantsBody(x *Exchange) bool {
	return f.bodyFilter != nil && (f.selector == nil || f.selector.FiltersBody(x))
}
