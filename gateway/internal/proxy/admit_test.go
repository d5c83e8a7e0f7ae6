package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// recorder is an origin that keeps the head of the last request as it came.
type recorder struct {
	*peer
	last atomic.Pointer[http.Request]
}

func startRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		r.last.Store(req)
		fmt.Fprint(w, "arrived")
	}))
	t.Cleanup(origin.Close)
	r.peer = &peer{url: origin.URL}
	return r
}

// take is the request that arrived since the last call, nil for none.
func (r *recorder) take() *http.Request { return r.last.Swap(nil) }

func TestRequestsThatAreNoneAreRefused(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	for _, c := range []struct {
		name, request string
		want          int
	}{
		{name: "a lower-case method", request: "get / HTTP/1.1\r\nHost: x\r\n\r\n", want: 400},
		{name: "a method that begins as another", request: "Get / HTTP/1.1\r\nHost: x\r\n\r\n", want: 400},
		{name: "a method with a mark", request: "FOO! / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", want: 400},
		{name: "TRACE", request: "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", want: 405},
		{name: "CONNECT to a host", request: "CONNECT inner:443 HTTP/1.1\r\nHost: inner:443\r\n\r\n", want: 405},
		{name: "CONNECT to a path", request: "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", want: 405},
		{name: "HTTP/2.0 in a request line", request: "GET / HTTP/2.0\r\nHost: x\r\n\r\n", want: 505},
		{name: "HTTP/3.0", request: "GET / HTTP/3.0\r\nHost: x\r\n\r\n", want: 505},
		{name: "HTTP/0.9 with a version", request: "GET / HTTP/0.9\r\nHost: x\r\n\r\n", want: 505},
		{name: "no host", request: "GET / HTTP/1.1\r\n\r\n", want: 400},
		{name: "an empty host", request: "GET / HTTP/1.1\r\nHost:\r\n\r\n", want: 400},
		{name: "userinfo in the host", request: "GET / HTTP/1.1\r\nHost: x@admin.example.com\r\n\r\n", want: 400},
		{name: "a list of hosts", request: "GET / HTTP/1.1\r\nHost: a.example.com, b.example.com\r\n\r\n", want: 400},
		{name: "a list without a space", request: "GET / HTTP/1.1\r\nHost: a.example.com,b.example.com\r\n\r\n", want: 400},
		{name: "an escaped host", request: "GET / HTTP/1.1\r\nHost: %61.example.com\r\n\r\n", want: 400},
		{name: "a port that is no number", request: "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n", want: 400},
		{name: "a port beyond 65535", request: "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", want: 400},
		{name: "two trailing dots", request: "GET / HTTP/1.1\r\nHost: a..\r\n\r\n", want: 400},
		{name: "the server as a whole", request: "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", want: 400},
		{name: "an absolute target without a host", request: "GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n", want: 400},
		{name: "an absolute target with another scheme", request: "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", want: 400},
		{name: "an absolute target with userinfo", request: "GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n", want: 400},
		{name: "a space in a name", request: "GET / HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n", want: 400},
		{name: "our own Via", request: "GET / HTTP/1.1\r\nHost: x\r\nVia: 1.1 a, 1.1 gatelab\r\n\r\n", want: 508},
		{name: "our own Via with a comment", request: "GET / HTTP/1.1\r\nHost: x\r\nVia: 1.1 Gatelab(x)\r\n\r\n", want: 508},
		{name: "our own Via in a second line", request: "GET / HTTP/1.1\r\nHost: x\r\nVia: 1.1 a\r\nVia: 1.0 gatelab (x)\r\n\r\n",
			want: 508},
	} {
		answer := g.say(t, c.request)
		if !strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d ", c.want)) || !strings.Contains(answer, "\r\nConnection: close\r\n") {
			t.Errorf("%s: got %q, want %d and a closed connection", c.name, answer, c.want)
		}
		if r := origin.take(); r != nil {
			t.Errorf("%s: arrived as %s %s", c.name, r.Method, r.RequestURI)
		}
	}
}

func TestUncommonRequestsPass(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}, PreserveHost: true}))
	for _, c := range []struct{ name, request, method, host, path string }{
		{name: "a method that is not ours to know", request: "PROPFIND /x HTTP/1.1\r\nHost: x\r\n", method: "PROPFIND", host: "x",
			path: "/x"},
		{name: "one with a dash", request: "M-SEARCH /x HTTP/1.1\r\nHost: x\r\n", method: "M-SEARCH", host: "x", path: "/x"},
		{name: "a trailing dot", request: "GET /x HTTP/1.1\r\nHost: a.example.com.:8000\r\n", method: "GET", host: "a.example.com:8000",
			path: "/x"},
		{name: "letters in upper case", request: "GET /x HTTP/1.1\r\nHost: A.example.com\r\n", method: "GET", host: "A.example.com",
			path: "/x"},
		{name: "IPv6", request: "GET /x HTTP/1.1\r\nHost: [::1]:8000\r\n", method: "GET", host: "[::1]:8000", path: "/x"},
		{name: "an absolute target", request: "GET http://a.example.com/x?y HTTP/1.1\r\nHost: b\r\n", method: "GET",
			host: "a.example.com", path: "/x?y"},
		{name: "an absolute target in upper case", request: "GET HTTP://a.example.com HTTP/1.1\r\nHost: b\r\n", method: "GET",
			host: "a.example.com", path: "/"},
		{name: "another gateway's Via", request: "GET /x HTTP/1.1\r\nHost: x\r\nVia: 1.1 gatelab-2, 1.1 other (gatelab)\r\n",
			method: "GET", host: "x", path: "/x"},
	} {
		answer := g.say(t, c.request+"Connection: close\r\n\r\n")
		r := origin.take()
		if r == nil {
			t.Errorf("%s: did not arrive: %q", c.name, answer)
			continue
		}
		if r.Method != c.method || r.Host != c.host || r.RequestURI != c.path {
			t.Errorf("%s: arrived as %s %s at %s", c.name, r.Method, r.RequestURI, r.Host)
		}
	}
}

func TestHostsOfRoutesAndRequestsAreNormalisedAlike(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Hosts: []string{"Admin.Example.com.", "[2001:DB8::1]"}}))
	for host, want := range map[string]int{
		"admin.example.com": 200, "ADMIN.EXAMPLE.COM": 200, "admin.example.com.": 200, "admin.example.com.:81": 200,
		"[2001:db8::1]": 200, "[2001:db8:0:0::1]:80": 200, "xadmin.example.com": 404, "admin.example.com.evil": 404, "[2001:db8::2]": 404,
	} {
		answer := g.say(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d ", want)) {
			t.Errorf("%s: got %.60q, want %d", host, answer, want)
		}
	}
}

// pathRules has a protected route, an open one for everything, and a service
// with a path of its own.
func pathRules(origin string) *entity.Config {
	c := config(origin, entity.Route{Paths: []string{"/"}})
	sub := c.Services[0]
	sub.ID = "s2"
	sub.Name = "sub"
	sub.Path = "/base"
	c.Services = append(c.Services, sub)
	add := func(id, service string, strip bool, path string) {
		c.Routes = append(c.Routes, &entity.Route{ID: id, Protocols: []string{"http"}, Paths: []string{path}, StripPath: strip,
			RequestBuffering: true, ResponseBuffering: true, Service: &entity.Ref{ID: service}})
	}
	add("r2", "s1", false, "/admin")
	add("r3", "s2", true, "/pub")
	spaced := sub
	spaced.ID = "s3"
	spaced.Name = "spaced"
	spaced.Path = "/my%20base"
	c.Services = append(c.Services, spaced)
	add("r4", "s3", true, "/spaced")
	c.Plugins = []entity.Plugin{keyAuthOn("r2")}
	return c
}

func keyAuthOn(route string) entity.Plugin {
	return entity.Plugin{ID: "p1", Name: "key-auth", Enabled: true, Route: &entity.Ref{ID: route}, Config: map[string]any{
		"key_names": []any{"apikey"}, "key_in_header": true, "key_in_query": true,
	}}
}

func TestPathsThatCanBeReadInSeveralWays(t *testing.T) {
	origin := startRecorder(t)
	harmful := []string{
		"/x/..%2fadmin", "/x/..%2Fadmin", "/..;/admin", "/x/..;a=b/admin", "/x/%252e%252e/admin", "/%2561dmin", "/%2fadmin", `/x\..\admin`,
		"/%5cadmin", "/%00/admin", "/%20admin", "/%%361dmin", "/x/..%00/admin", "/x/..%3b/admin", "/x/..%255cadmin", "/%c0%afadmin",
		"/%e0%80%afadmin", "/x/%f0%80%80%ae%f0%80%80%ae/admin", "/x/..%ef%bc%8fadmin", "/%ef%bd%81dmin", "/%252561dmin", "/x/..%25252fadmin",
		"/ADMIN", "/%41dmin", "/x/..%2fAdmin", "/aDmin/x",
		"/pub/..%e0%80%afx", "/pub%2f..%2fx", "/pub/..%2fx", `/pub/..\x`, "/pub/..;/x", "/pub/%252e%252e/x",
	}
	fine := map[string]string{ // and how they arrive
		"/projects/group%2fname": "/projects/group%2Fname", "/a%20b": "/a%20b", "/a;v=1/b": "/a;v=1/b", "/a%25b": "/a%25b", `/c\d`: "/c%5Cd",
		"/x/..": "/", "/report.": "/report.", "/%C3%A9": "/%C3%A9", "/pub/a%2fb": "/base/a%2Fb", "/pub/a;b": "/base/a;b",
		"/Models/AB": "/Models/AB", "/PUB": "/PUB",
		"/spaced/a%2fb": "/my%20base/a%2Fb",
	}
	ask := func(g *gateway, path string) (status, arrived string) {
		answer := g.say(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if r := origin.take(); r != nil {
			arrived = r.RequestURI
		}
		return strings.Fields(answer)[1], arrived
	}
	t.Run("strict", func(t *testing.T) {
		g := start(t, Config{}, 4)
		g.apply(t, pathRules(origin.url))
		for _, path := range harmful {
			if status, arrived := ask(g, path); status != "400" || arrived != "" {
				t.Errorf("%s: %s, arrived as %q", path, status, arrived)
			}
		}
		for path, want := range fine {
			if status, arrived := ask(g, path); status != "200" || arrived != want {
				t.Errorf("%s: %s, arrived as %q, want %q", path, status, arrived, want)
			}
		}
		if status, _ := ask(g, "/admin%2f"); status != "401" {
			t.Errorf("an escape that changes nothing: %s, want the route's own 401", status)
		}
	})
	t.Run("keep", func(t *testing.T) {
		g := start(t, Config{PathAmbiguity: PathKeep}, 4)
		g.apply(t, pathRules(origin.url))
		for _, path := range harmful {
			if status, _ := ask(g, path); status != "200" {
				t.Errorf("%s: %s, want it passed on as Kong does", path, status)
			}
		}
	})
	t.Run("reject", func(t *testing.T) {
		g := start(t, Config{PathAmbiguity: PathReject}, 4)
		g.apply(t, pathRules(origin.url))
		for _, path := range append(harmful, "/projects/group%2fname") {
			if status, arrived := ask(g, path); status != "400" || arrived != "" {
				t.Errorf("%s: %s, arrived as %q", path, status, arrived)
			}
		}
		if status, _ := ask(g, "/x/../y"); status != "200" {
			t.Error("a plain path was refused")
		}
	})
	t.Run("unescape", func(t *testing.T) {
		g := start(t, Config{PathAmbiguity: PathUnescape}, 4)
		g.apply(t, pathRules(origin.url))
		for path, want := range map[string]string{"/projects/group%2fname": "200", "/x/..%2fadmin": "401", `/x\..\admin`: "401",
			"/x/%252e%252e/admin": "400"} {
			if status, _ := ask(g, path); status != want {
				t.Errorf("%s: %s, want %s", path, status, want)
			}
		}
		if _, arrived := ask(g, "/projects/group%2fname"); arrived != "/projects/group/name" {
			t.Errorf("arrived as %q", arrived)
		}
	})
}

func TestFieldsThatAreNotTheClientsToSay(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	dropped := []string{
		"X-Consumer-Username", "x-consumer-id", "X-Consumer-Custom-ID", "X-Credential-Identifier", "X-Credential-Username",
		"X-Authenticated-Userid",
		"X-Authenticated-Scope", "X-Anonymous-Consumer", "X_Consumer_Username", "X-Consumer_Username", "x_credential_identifier",
		"Content_Length", "Transfer_Encoding", "Content.Length", "Content--Length", "Content~Length", "Content-Length-", "-Content-Length",
		"_Content_Length", "Content-_Length", "ContentLength", "Transfer.Encoding", "Transfer'Encoding", "TransferEncoding",
		"X.Consumer.Username",
		"X-Consumer.Username", "X__Consumer_Username", "X.Forwarded.For", "X_Real.IP", "Proxy_", "HTTP2_Settings", "Sec_WebSocket_Key",
		"X_Forwarded_For", "X_Real_IP", "X_Real-IP", "Forwarded", "Proxy", "Proxy-Connection", "Keep-Alive",
		"TE", "Trailer", "Proxy-Authorization", "HTTP2-Settings", "Upgrade",
	}
	for _, name := range dropped {
		g.say(t, "GET / HTTP/1.1\r\nHost: x\r\nX-Own: 1\r\n"+name+": root\r\nConnection: close\r\n\r\n")
		r := origin.take()
		if r == nil {
			t.Errorf("%s: the request did not arrive", name)
			continue
		}
		for had, values := range r.Header {
			if strings.Join(values, ",") == "root" {
				t.Errorf("%s: arrived as %s: %s", name, had, values)
			}
		}
		if r.Header.Get("X-Own") != "1" {
			t.Errorf("%s: another field went with it", name)
		}
	}
}

func TestUnderscoresInNames(t *testing.T) {
	origin := startRecorder(t)
	for _, c := range []struct{ rule, tenant, consumer string }{
		{rule: UnderscoresSafe, tenant: "a"}, {rule: UnderscoresDrop}, {rule: UnderscoresKeep, tenant: "a", consumer: "root"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			g := start(t, Config{Underscores: c.rule}, 4)
			g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
			g.say(t, "GET / HTTP/1.1\r\nHost: x\r\nX_Tenant: a\r\nX_Consumer_Username: root\r\nConnection: close\r\n\r\n")
			r := origin.take()
			if r == nil {
				t.Fatal("the request did not arrive")
			}
			if got := r.Header.Get("X_Tenant"); got != c.tenant {
				t.Errorf("X_Tenant: %q, want %q", got, c.tenant)
			}
			if got := r.Header.Get("X_Consumer_Username"); got != c.consumer {
				t.Errorf("X_Consumer_Username: %q, want %q", got, c.consumer)
			}
		})
	}
}

func TestConnectionCannotTakeOffWhatIsDecidedBy(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{}, 4)
	c := config(origin.url, entity.Route{Paths: []string{"/"}, Headers: map[string][]string{"X-Tenant": {"a"}}}, keyAuthOn("r1"))
	g.apply(t, c)
	g.say(t, "GET / HTTP/1.1\r\nHost: x\r\napikey: secret-key\r\nX-Tenant: a\r\nAccept-Language: de\r\nCookie: s=1\r\n"+
		"Authorization: b\r\nX-Hop: 1\r\n"+
		"Connection: close, X-Tenant, apikey, Accept-Language, Cookie\r\n"+
		"Connection: X-Hop, X-Consumer-Username, X-Real-IP, Authorization, Host\r\n\r\n")
	r := origin.take()
	if r == nil {
		t.Fatal("the request did not arrive")
	}
	for _, name := range []string{"X-Tenant", "Apikey", "Accept-Language", "Cookie", "Authorization", "X-Consumer-Username", "X-Real-Ip"} {
		if r.Header.Get(name) == "" {
			t.Errorf("%s was taken off", name)
		}
	}
	if r.Header.Get("X-Hop") != "" || r.Header.Get("Connection") != "" {
		t.Errorf("arrived with %v", r.Header)
	}
}

func TestOnlyWebSocketIsPassedOn(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}))
	for _, c := range []struct{ name, fields, want string }{
		{name: "h2c", fields: "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"},
		{name: "TLS", fields: "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"},
		{name: "anything", fields: "Connection: Upgrade\r\nUpgrade: foo\r\n"},
		{name: "not listed by Connection", fields: "Upgrade: websocket\r\n"},
		{name: "websocket", fields: "Connection: Upgrade\r\nUpgrade: websocket\r\n", want: "websocket"},
		{name: "websocket among others", fields: "Connection: keep-alive\r\nConnection: x, uPGRADE\r\nUpgrade: h2c, WebSocket\r\n",
			want: "websocket"},
		{name: "in two lines", fields: "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n", want: "websocket"},
	} {
		answer := g.say(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+c.fields+"\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Errorf("%s: %.80q, want the plain answer", c.name, answer)
		}
		r := origin.take()
		if r == nil {
			t.Errorf("%s: did not arrive", c.name)
			continue
		}
		if got := r.Header.Get("Upgrade"); got != c.want {
			t.Errorf("%s: Upgrade: %q at the origin, want %q", c.name, got, c.want)
		}
		if got := r.Header.Get("Connection"); (got != "") != (c.want != "") {
			t.Errorf("%s: Connection: %q at the origin", c.name, got)
		}
	}
	g.say(t, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n")
	if r := origin.take(); r == nil || r.Header.Get("Upgrade") != "" {
		t.Error("a POST is no WebSocket's opening")
	}
}

func TestARefusalIsLoggedWithItsReason(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{AccessLog: LogAll}, 4)
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/open"}}))
	g.say(t, "GET /open/..%2fadmin HTTP/1.1\r\nHost: x\r\n\r\n")
	g.say(t, "GET / HTTP/1.1\r\nHost: x\r\nVia: 1.1 gatelab\r\n\r\n")
	for _, want := range []string{`"error":"Bad request: the path is ambiguous"`, `"error":"Loop detected"`, `"client_ip":"127.0.0.1"`} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("the log does not have %s: %s", want, g.log)
		}
	}
	if strings.Contains(g.log.String(), `"client_ip":""`) {
		t.Errorf("a refused client has no address: %s", g.log)
	}
}
