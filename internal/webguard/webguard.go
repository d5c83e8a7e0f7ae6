// Package webguard protects administrative listeners from web pages. A page in an
// operator's browser can send requests to any address that the browser reaches,
// including loopback, and can do so under a name of its own that resolves to that
// address (DNS rebinding). Both are detected by headers that a page cannot set:
// Host, Origin and Sec-Fetch-Site. The content type does not matter: a form or
// text/plain needs no preflight, and neither does a request without a body.
package webguard

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Config says which requests are admitted.
type Config struct {
	// Listen is the host:port of the listener. Its host is admitted.
	Listen string
	// Hosts are further names and addresses of the listener, without ports.
	Hosts []string
	// Origins are those of web pages that may use the listener, such as
	// https://admin.example.com; no others can read responses or change anything.
	Origins []string
	// Headers are request header fields that pages of Origins may set.
	Headers []string
	// Costly reports whether a request with a safe method must not be caused by a
	// foreign page, even one that cannot read the response; nil: none.
	Costly func(*http.Request) bool
	// Refuse responds to a rejected request; nil: in plain text.
	Refuse func(http.ResponseWriter, *http.Request, *Refusal)
}

// The reasons for which requests are rejected.
const (
	ReasonHost   = "host"
	ReasonOrigin = "origin"
	ReasonSite   = "site"
)

// Reasons returns all reasons, for counters that start at 0.
func Reasons() []string { return []string{ReasonHost, ReasonOrigin, ReasonSite} }

// Refusal says why a request is rejected.
type Refusal struct {
	Reason  string // one of Reasons
	Message string // for the client
}

// Guard admits or rejects requests. It is safe for concurrent use.
type Guard struct {
	config  Config
	names   map[string]bool
	origins map[string]bool
	headers string
}

// New makes a guard. The error names the entry that is wrong and what is
// allowed.
func New(c Config) (*Guard, error) {
	g := &Guard{config: c, names: map[string]bool{}, origins: map[string]bool{}, headers: strings.Join(c.Headers, ", ")}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" {
		g.names[normalize(host)] = true
	}
	for _, host := range c.Hosts {
		if err := CheckHost(host); err != nil {
			return nil, err
		}
		g.names[normalize(host)] = true
	}
	for _, origin := range c.Origins {
		if err := CheckOrigin(origin); err != nil {
			return nil, err
		}
		g.origins[strings.ToLower(origin)] = true
	}
	if g.config.Refuse == nil {
		g.config.Refuse = func(w http.ResponseWriter, _ *http.Request, r *Refusal) {
			http.Error(w, r.Message, http.StatusForbidden)
		}
	}
	return g, nil
}

// CheckHost returns what is wrong with an entry of Hosts.
func CheckHost(host string) error {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return nil
	}
	if host == "" || strings.ContainsAny(host, ":/@*?#[] \t,\\") {
		return fmt.Errorf("host %q is not allowed: want a name or an address, without a port", host)
	}
	return nil
}

// CheckOrigin returns what is wrong with an entry of Origins.
func CheckOrigin(origin string) error {
	lower := strings.ToLower(origin)
	u, err := url.Parse(lower)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Scheme+"://"+u.Host != lower {
		return fmt.Errorf("origin %q is not allowed: want scheme://host or scheme://host:port, as browsers send it", origin)
	}
	return nil
}

// Request is what a guard inspects.
type Request struct {
	Method  string
	Host    string   // as it was sent, with or without a port
	NoHost  bool     // HTTP/1.0 without a Host, which no browser sends
	Origins []string // the values of Origin
	Sites   []string // the values of Sec-Fetch-Site
	Local   net.Addr // of the connection; may be nil
	TLS     bool
	Costly  bool // rejected for foreign pages regardless of its method
}

// Check returns nil for a request that is admitted.
func (g *Guard) Check(r *Request) *Refusal {
	if !g.host(r) {
		const text = "Host %q is none of this listener's: want loopback, its address, or a name that its settings list"
		return &Refusal{ReasonHost, fmt.Sprintf(text, clip(r.Host))}
	}
	if !r.Costly && safe(r.Method) {
		return nil
	}
	listed := false
	for _, origin := range r.Origins {
		switch {
		case g.origins[strings.ToLower(origin)]:
			listed = true
		case !sameOrigin(origin, r.Host, r.TLS):
			const text = "Origin %q may not do this: want the listener's own, or one that its settings list"
			return &Refusal{ReasonOrigin, fmt.Sprintf(text, clip(origin))}
		}
	}
	for _, site := range r.Sites {
		if site != "same-origin" && site != "none" && !listed {
			return &Refusal{ReasonSite, fmt.Sprintf("Sec-Fetch-Site %q may not do this: want same-origin or none", clip(site))}
		}
	}
	return nil
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// clip shortens what a client sent, for responses.
func clip(s string) string { return s[:min(len(s), 200)] }

// host reports whether a Host is the listener's. The address at which the connection
// arrived is: unlike a name, it cannot belong to a page of another server.
func (g *Guard) host(r *Request) bool {
	if r.Host == "" {
		return r.NoHost
	}
	name := normalize(withoutPort(r.Host))
	if name == "localhost" || g.names[name] {
		return true
	}
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	if ip.IsLoopback() {
		return true
	}
	local, ok := addrOf(r.Local)
	return ok && local == ip
}

func addrOf(a net.Addr) (netip.Addr, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	ip, ok := netip.AddrFromSlice(tcp.IP)
	return ip.Unmap(), ok
}

// withoutPort removes a numeric port from a Host.
func withoutPort(host string) string {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.Trim(host[i+1:], "0123456789") != "" || (strings.Count(host, ":") > 1 && host[0] != '[') {
		return host
	}
	return host[:i]
}

// normalize returns the form in which names and addresses are compared: lower case,
// without brackets, zone or trailing dot.
func normalize(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	bare := host
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		bare = host[1 : len(host)-1]
	}
	if ip, err := netip.ParseAddr(bare); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return host
}

// sameOrigin reports whether an Origin is the request's own host and port. A proxy in
// front of the listener may terminate TLS, so a connection without TLS admits both
// schemes.
func sameOrigin(origin, host string, overTLS bool) bool {
	scheme, rest, ok := strings.Cut(strings.ToLower(origin), "://")
	if !ok || (scheme != "http" && scheme != "https") || (overTLS && scheme != "https") {
		return false
	}
	port := map[string]string{"http": ":80", "https": ":443"}[scheme]
	return strings.TrimSuffix(rest, port) == strings.TrimSuffix(strings.ToLower(host), port)
}

// of converts a net/http request.
func (g *Guard) of(r *http.Request) *Request {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return &Request{
		Method: r.Method, Host: r.Host, NoHost: r.Host == "" && !r.ProtoAtLeast(1, 1),
		Origins: r.Header.Values("Origin"), Sites: r.Header.Values("Sec-Fetch-Site"),
		Local: local, TLS: r.TLS != nil, Costly: g.config.Costly != nil && g.config.Costly(r),
	}
}

// methods are those that a preflight allows, whether or not the path has them all.
var methods = strings.Join([]string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}, ", ")

// Wrap protects a handler. It answers preflights of listed origins itself: browsers
// send no credentials with them.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if refusal := g.Check(g.of(r)); refusal != nil {
			CloseAfter(w, r)
			g.config.Refuse(w, r, refusal)
			return
		}
		if len(g.origins) > 0 {
			h.Add("Vary", "Origin")
		}
		origins := r.Header.Values("Origin")
		if len(origins) == 1 && g.origins[strings.ToLower(origins[0])] {
			h.Set("Access-Control-Allow-Origin", origins[0])
			h.Set("Access-Control-Allow-Credentials", "true") // for client certificates
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", methods)
				h.Set("Access-Control-Allow-Headers", g.headers)
				h.Set("Access-Control-Max-Age", "600")
				h.Set("Allow", methods)
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// CloseAfter closes the connection after the response to a request whose body is not
// read, so that the response does not wait for it.
func CloseAfter(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && r.Body != nil && r.Body != http.NoBody {
		w.Header().Set("Connection", "close")
	}
}
