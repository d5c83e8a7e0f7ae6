package parity

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/origin"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

// gateway is an arm in a few lines, which behaves as its policy says unless a test spoils one of its parts.
type gateway struct {
	policy *policy.Policy
	origin string

	spare    int                      // requests that pass beyond a limit
	together bool                     // all addresses are counted as one
	noVary   bool                     // the cache does not look at Vary
	anything bool                     // the cache keeps any method
	lets     func(*http.Request) bool // also lets in whom this accepts
	late     bool                     // the origin is asked before the client is refused
	toOrigin func(*http.Request)
	toClient func(*reply)
	spares   []string // further origins, asked in turn with the first
	lopsided bool     // they are not
	turn     int
	routes   []*regexp.Regexp
	open     bool        // paths without a route are passed on, too
	fewer    int         // routes that are missing at the end
	forgets  int         // how many addresses the limit remembers; 0: all
	plain    bool        // HTTP in place of HTTPS
	secure   *tls.Config // of its TLS; nil: what is usual
	holds    bool        // streams are sent when they are whole
	tunnels

	mu      sync.Mutex
	targets []string // as they came on the wire
	counts  map[string]int
	kept    map[string][]keptReply
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

type keptReply struct {
	vary, value string
	reply
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.tunnel(w, r) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tunnelled(r)
	g.targets = append(g.targets, r.RequestURI)
	body, _ := io.ReadAll(r.Body)
	switch {
	case g.policy.Only && !g.open && !g.routed(r.URL.Path):
		g.send(w, reply{status: http.StatusNotFound, header: http.Header{}})
	case !g.in(r):
		if g.late {
			g.forward(r, body)
		}
		g.send(w, reply{status: http.StatusUnauthorized, header: http.Header{}})
	case !g.passes(r):
		g.send(w, reply{status: http.StatusTooManyRequests, header: http.Header{}})
	case g.policy.Events:
		g.stream(w, r, body)
	default:
		g.send(w, g.cached(r, body))
	}
}

func (g *gateway) send(w http.ResponseWriter, a reply) {
	if rewrite := g.policy.ResponseBody; rewrite != nil && a.status == http.StatusOK {
		a.body = rewritten(a.body, rewrite)
	}
	a.header = a.header.Clone()
	a.header.Del("Content-Length")
	for k, v := range g.policy.Response.Set {
		a.header.Set(k, v)
	}
	if len(g.policy.Changes) > 0 {
		a.header.Set("X-Bench-Change", "0")
	}
	for _, k := range g.policy.Response.Remove {
		a.header.Del(k)
	}
	if g.toClient != nil {
		g.toClient(&a)
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// in says whether the client is let in.
func (g *gateway) in(r *http.Request) bool {
	a := g.policy.Auth
	if a == nil || g.lets != nil && g.lets(r) {
		return true
	}
	switch a.Kind {
	case policy.AuthKey:
		return r.Header.Get(a.Header) == a.Key
	case policy.AuthBasic:
		user, password, _ := r.BasicAuth()
		return user == a.User && password == a.Password
	}
	token := bearer(r)
	return token.alg == "HS256" && token.signed(a.Secret) && token.Issuer == a.Issuer && token.Expires > time.Now().Unix()
}

type bearerToken struct {
	alg, text, signature string
	Issuer               string `json:"iss"`
	Expires              int64  `json:"exp"`
}

func bearer(r *http.Request) (t bearerToken) {
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return t
	}
	var head struct{ Alg string }
	for i, to := range []any{&head, &t} {
		b, _ := base64.RawURLEncoding.DecodeString(parts[i])
		_ = json.Unmarshal(b, to)
	}
	t.alg, t.text = head.Alg, parts[0]+"."+parts[1]
	t.signature = parts[2]
	return t
}

func (t bearerToken) signed(secret string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t.text))
	return t.signature == base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// passes counts a request in calendar windows, as many gateways do.
func (g *gateway) passes(r *http.Request) bool {
	for _, l := range g.policy.Limits {
		if !strings.HasPrefix(r.URL.Path, l.Path) {
			continue
		}
		key := l.Path + time.Now().Truncate(l.Window).String()
		if l.By == policy.ByAddress && !g.together {
			key += r.Header.Get("X-Real-IP")
		}
		if g.forgets > 0 && g.counts[key] == 0 && len(g.counts) >= g.forgets {
			clear(g.counts)
		}
		g.counts[key]++
		if g.counts[key] > l.Requests+g.spare {
			return false
		}
	}
	return true
}

func (g *gateway) cached(r *http.Request, body []byte) reply {
	if g.policy.Cache == nil || r.Method != http.MethodGet && !g.anything {
		return g.forward(r, body)
	}
	for _, k := range g.kept[r.Method+r.RequestURI] {
		if g.noVary || k.vary == "" || r.Header.Get(k.vary) == k.value {
			return k.reply
		}
	}
	a := g.forward(r, body)
	vary := a.header.Get("Vary")
	g.kept[r.Method+r.RequestURI] = append(g.kept[r.Method+r.RequestURI], keptReply{vary: vary, value: r.Header.Get(vary), reply: a})
	return a
}

func (g *gateway) forward(r *http.Request, body []byte) reply {
	if rewrite := g.policy.RequestBody; rewrite != nil {
		body = rewritten(body, rewrite)
	}
	origin := g.origin
	if len(g.spares) > 0 && !g.lopsided {
		g.turn++
		origin = append([]string{g.origin}, g.spares...)[g.turn%(len(g.spares)+1)]
	}
	out, err := http.NewRequest(r.Method, "http://"+origin, bytes.NewReader(body))
	if err != nil {
		return reply{status: http.StatusBadGateway}
	}
	out.URL.Opaque, out.Header = r.RequestURI, r.Header.Clone()
	if g.policy.Client.TLS() {
		out.Header.Set("X-Forwarded-Proto", "https")
	}
	for k, v := range g.policy.Request.Set {
		out.Header.Set(k, v)
	}
	for _, k := range g.policy.Request.Remove {
		out.Header.Del(k)
	}
	if g.toOrigin != nil {
		g.toOrigin(out)
	}
	res, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		return reply{status: http.StatusBadGateway}
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	return reply{status: res.StatusCode, header: res.Header, body: answer}
}

func rewritten(body []byte, by *policy.JSON) []byte {
	fields := map[string]any{}
	if json.Unmarshal(body, &fields) != nil {
		return body
	}
	for k, v := range by.Set {
		fields[k] = v
	}
	for _, k := range by.Remove {
		delete(fields, k)
	}
	out, _ := json.Marshal(fields)
	return out
}

// arm starts the gateway before a real origin.
func (g *gateway) arm(t *testing.T) Arm {
	t.Helper()
	if g.origin == "" {
		g.origin = startOrigin(t)
	}
	var origins []string
	if o := g.policy.Origins; o != nil {
		origins = []string{"http://" + g.origin}
		for range o.Count - 1 {
			g.spares = append(g.spares, startOrigin(t))
			origins = append(origins, "http://"+g.spares[len(g.spares)-1])
		}
	}
	g.counts, g.kept = map[string]int{}, map[string][]keptReply{}
	s := httptest.NewUnstartedServer(g)
	client := g.policy.Client
	s.EnableHTTP2, s.TLS = client.Protocol == policy.ProtocolHTTP2, g.secure
	scheme := "http://"
	if client.TLS() {
		scheme = "https://"
	}
	if client.TLS() && !g.plain {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return Arm{
		Name: "fake", Proxy: scheme + s.Listener.Addr().String(), Origin: "http://" + g.origin, Roots: testRoots(t), ServerName: "example.com",
		Origins: origins,
	}
}

// testRoots is the certificate of net/http/httptest's servers, in PEM.
func testRoots(t *testing.T) string {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func startOrigin(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- origin.New(origin.Config{
			Models: 200, BodyBytes: 1024, Seed: 1, ChatMedian: 200 * time.Millisecond, ChatP99: 200 * time.Millisecond,
		}).ServeListener(t.Context(), ln)
	}()
	t.Cleanup(func() { // the test's context has ended by now
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}
