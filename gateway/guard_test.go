package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes to a listener as a client might that is none, and returns the
// first answer with its body.
func raw(t *testing.T, base, text string) response {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	return readAnswer(t, c, method)
}

func readAnswer(t *testing.T, c net.Conn, method string) response {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{res, string(body)}
}

// request is one of HTTP/1.1 with header lines and a body.
func request(line, host, body string, header ...string) string {
	lines := append([]string{line + " HTTP/1.1", "Host: " + host}, header...)
	if body != "" {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

func (b *testGateway) counter(name string) string {
	for line := range strings.Lines(b.get(b.status + "/metrics").text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "none"
}

func TestAdminGuard(t *testing.T) {
	b := boot(t, "--admin-hosts=kong.example.com,192.0.2.7", "--admin-origins=https://ui.example.com")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(b.admin, "http://"))
	form, own := "Content-Type: application/x-www-form-urlencoded", "127.0.0.1:"+port
	create := func(i int) string { return fmt.Sprintf("name=s%d&host=h", i) }
	for i, tt := range []struct {
		name, line, host string
		header           []string
		status           int
	}{
		{name: "curl", line: "GET /services", host: own, status: 200},
		{name: "a name of loopback", line: "GET /services", host: "localhost:" + port, status: 200},
		{name: "the same with the dot of the root, in upper case", line: "GET /services", host: "LOCALHOST.:" + port, status: 200},
		{name: "loopback of IPv6", line: "GET /services", host: "[::1]:" + port, status: 200},
		{name: "a name that is set", line: "GET /services", host: "Kong.example.com:" + port, status: 200},
		{name: "an address that is set", line: "GET /services", host: "192.0.2.7", status: 200},
		{name: "DNS rebinding", line: "GET /key-auths", host: "evil.example:" + port, status: 403},
		{name: "DNS rebinding without a port", line: "GET /key-auths", host: "evil.example", status: 403},
		{name: "a name that begins as loopback", line: "GET /", host: "localhost.evil.example:" + port, status: 403},
		{name: "an address in a name", line: "GET /", host: "127.0.0.1.evil.example:" + port, status: 403},
		{name: "another address", line: "GET /", host: "192.0.2.8:" + port, status: 403},
		{name: "a name set with a tail", line: "GET /", host: "kong.example.com.evil.example", status: 403},
		{name: "no host", line: "GET /", status: 403},
		{
			name: "a rebinding preflight", line: "OPTIONS /services", host: "evil.example",
			header: []string{"Origin: https://ui.example.com", "Access-Control-Request-Method: POST"}, status: 403,
		},
		{name: "the target's own host counts", line: "GET http://evil.example/services", host: own, status: 403},
		{name: "a rebinding purge", line: "DELETE /proxy-cache", host: "evil.example", status: 403},

		{
			name: "a form of another page", line: "POST /services", host: own,
			header: []string{form, "Origin: https://evil.example"}, status: 403,
		},
		{
			name: "a form of another port", line: "POST /services", host: own,
			header: []string{form, "Origin: http://127.0.0.1:1"}, status: 403,
		},
		{
			name: "a form of a sandboxed page", line: "POST /services", host: own, header: []string{form, "Origin: null"},
			status: 403,
		},
		{
			name: "two origins", line: "POST /services", host: own,
			header: []string{form, "Origin: http://" + own, "Origin: https://evil.example"}, status: 403,
		},
		{
			name: "plain text", line: "POST /services", host: own,
			header: []string{"Content-Type: text/plain", "Origin: https://evil.example"}, status: 403,
		},
		{
			name: "JSON", line: "POST /services", host: own,
			header: []string{"Content-Type: application/json", "Origin: https://evil.example"}, status: 403,
		},
		{
			name: "multipart", line: "POST /services", host: own,
			header: []string{"Content-Type: multipart/form-data; boundary=x", "Origin: https://evil.example"}, status: 403,
		},
		{
			name: "a page without an Origin", line: "POST /services", host: own,
			header: []string{form, "Sec-Fetch-Site: cross-site"}, status: 403,
		},
		{
			name: "a page of the same site", line: "POST /services", host: own,
			header: []string{form, "Sec-Fetch-Site: same-site"}, status: 403,
		},
		{
			name: "a foreign Origin that says it is our own", line: "POST /services", host: own,
			header: []string{form, "Sec-Fetch-Site: same-origin", "Origin: https://evil.example"}, status: 403,
		},
		{
			name: "a purge by a page", line: "DELETE /proxy-cache", host: own,
			header: []string{"Origin: https://evil.example"}, status: 403,
		},
		{
			name: "a method of no meaning", line: "FOO /services", host: own,
			header: []string{"Origin: https://evil.example"}, status: 403,
		},
		{
			name: "an origin set, by a foreign name", line: "POST /services", host: "evil.example",
			header: []string{form, "Origin: https://ui.example.com"}, status: 403,
		},

		{name: "a form of curl", line: "POST /services", host: own, header: []string{form}, status: 201},
		{
			name: "typed into the address bar", line: "POST /services", host: own,
			header: []string{form, "Sec-Fetch-Site: none"}, status: 201,
		},
		{
			name: "a page of the listener itself", line: "POST /services", host: own,
			header: []string{form, "Sec-Fetch-Site: same-origin", "Origin: http://" + own}, status: 201,
		},
		{
			name: "a page that is set", line: "POST /services", host: own,
			header: []string{form, "Sec-Fetch-Site: cross-site", "Origin: https://ui.example.com"}, status: 201,
		},
		{
			name: "a page reads", line: "GET /services", host: own,
			header: []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, status: 200,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := ""
			if strings.HasPrefix(tt.line, "POST") {
				body = create(i)
			}
			r := raw(t, b.admin, request(tt.line, tt.host, body, tt.header...))
			if r.StatusCode != tt.status {
				t.Errorf("%d %s, want %d", r.StatusCode, r.text, tt.status)
			}
			if tt.status == 403 && !strings.Contains(r.text, "the setting is admin_") {
				t.Errorf("the answer does not tell the setting: %s", r.text)
			}
			allowed := r.Header.Get("Access-Control-Allow-Origin")
			if allowed != "" && (allowed != "https://ui.example.com" || tt.status == 403) ||
				r.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
				t.Errorf("header %v", r.Header)
			}
		})
	}
	if got := b.counter(`gateway_listener_refused_total{listener="admin",reason="host"}`); got != "11" {
		t.Errorf("%s refusals by Host, want 11", got)
	}
	if services := b.get(b.admin + "/services").text; strings.Count(services, `"host":"h"`) != 4 {
		t.Errorf("services: %s", services)
	}
}

func TestPreflight(t *testing.T) {
	tokens, _ := tokensFile(t, "ann read-write")
	b := boot(t, "--admin-origins=https://ui.example.com", "--admin-tokens-file="+tokens)
	own := strings.TrimPrefix(b.admin, "http://")
	ask := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,kong-admin-token"}
	r := raw(t, b.admin, request("OPTIONS /services", own, "", append(ask, "Origin: https://ui.example.com")...))
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://ui.example.com", "Access-Control-Allow-Methods": "POST",
		"Access-Control-Allow-Headers": "Kong-Admin-Token", "Vary": "Origin", "Allow": "POST",
	} {
		if r.StatusCode != 204 || !strings.Contains(r.Header.Get(name), want) {
			t.Errorf("%d, %s: %q, want %q", r.StatusCode, name, r.Header.Get(name), want)
		}
	}
	r = raw(t, b.admin, request("OPTIONS /services", own, "", append(ask, "Origin: https://evil.example")...))
	for name := range r.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("a foreign page is answered %s: %s", name, r.Header.Get(name))
		}
	}
	// What is refused can be read by a page that may ask.
	r = raw(t, b.admin, request("GET /services", own, "", "Origin: https://ui.example.com"))
	if r.StatusCode != 401 || r.Header.Get("Access-Control-Allow-Origin") != "https://ui.example.com" {
		t.Errorf("without a token: %d %v", r.StatusCode, r.Header)
	}
}

func TestStatusGuard(t *testing.T) {
	b := boot(t, "--status-hosts=gateway-1", "--pprof")
	own := strings.TrimPrefix(b.status, "http://")
	for _, tt := range []struct {
		name, path, host string
		header           string
		status           int
	}{
		{name: "Prometheus", path: "/metrics", host: "gateway-1:8100", status: 200},
		{name: "a probe", path: "/health/ready", host: own, status: 200},
		{name: "rebinding reads metrics", path: "/metrics", host: "evil.example:8100", status: 403},
		{name: "rebinding reads health", path: "/health/live", host: "evil.example", status: 403},
		{name: "rebinding reads a heap", path: "/debug/pprof/heap", host: "evil.example", status: 403},
		{
			name: "a page causes a profile", path: "/debug/pprof/profile?seconds=1", host: own,
			header: "Sec-Fetch-Site: cross-site", status: 403,
		},
		{
			name: "a page causes a heap dump", path: "/debug/pprof/heap", host: own,
			header: "Origin: https://evil.example", status: 403,
		},
		{name: "an operator's heap", path: "/debug/pprof/heap", host: own, header: "Sec-Fetch-Site: none", status: 200},
		{name: "a profile without end", path: "/debug/pprof/profile?seconds=1e9", host: own, header: "X-A: b", status: 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := []string{"Accept: */*"}
			if tt.header != "" {
				header = append(header, tt.header)
			}
			r := raw(t, b.status, request("GET "+tt.path, tt.host, "", header...))
			if r.StatusCode != tt.status || r.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%d %.200s %v, want %d", r.StatusCode, r.text, r.Header, tt.status)
			}
		})
	}
}

// A client of HTTP/1.0 sends no Host; browsers do not speak it.
func TestProbesWithoutHost(t *testing.T) {
	b := boot(t)
	if r := raw(t, b.status, "GET /health/ready HTTP/1.0\r\n\r\n"); r.StatusCode != 200 {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
}

func TestSlowClientsOfTheAdminAPIEnd(t *testing.T) {
	b := boot(t, "--admin-read-timeout=700ms", "--pprof")
	own := strings.TrimPrefix(b.admin, "http://")
	post := "POST /services HTTP/1.1\r\nHost: " + own + "\r\nContent-Type: "
	head := post + "application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname="
	for _, tt := range []struct {
		name, base, send, trickle string
		status                    int // 0: the connection ends without an answer
	}{
		{name: "a body that stops", base: b.admin, send: head, status: 408},
		{name: "a body of one byte now and then", base: b.admin, send: head, trickle: "x", status: 408},
		{
			name: "a chunked body", base: b.admin,
			send: post + "application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", status: 408,
		},
		{
			name: "a refused body", base: b.admin,
			send: strings.Replace(head, "Content-Type", "Origin: https://evil.example\r\nContent-Type", 1), status: 403,
		},
		{
			name: "a body that is not read", base: b.status,
			send: "GET /health/ready HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", status: 403,
		},
		{name: "a header that stops", base: b.admin, send: "GET / HTTP/1.1\r\nHost: " + own + "\r\n"},
		{name: "a header of one byte now and then", base: b.status, send: "GET / HTTP/1.1\r\nX-A: ", trickle: "x"},
		{
			name: "a long header", base: b.admin,
			send: "GET / HTTP/1.1\r\nHost: " + own + "\r\nX-A: " + strings.Repeat("a", 80<<10) + "\r\n\r\n", status: 431,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", strings.TrimPrefix(tt.base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(15 * time.Second)) // an i/o timeout says that it did not end
			if _, err := io.WriteString(c, tt.send); err != nil {
				t.Fatal(err)
			}
			if tt.trickle != "" {
				done := make(chan struct{})
				defer func() { <-done }()
				defer c.Close()
				go func() {
					defer close(done)
					for tick := time.Tick(50 * time.Millisecond); ; <-tick {
						if _, err := io.WriteString(c, tt.trickle); err != nil {
							return
						}
					}
				}()
			}
			if tt.status == 0 {
				if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
					t.Errorf("the connection is not closed: %v", err)
				}
				return
			}
			if r := readAnswer(t, c, "POST"); r.StatusCode != tt.status {
				t.Errorf("%d %s, want %d", r.StatusCode, r.text, tt.status)
			}
		})
	}
}

// A profile takes longer than a request may take to arrive.
func TestProfileOutlastsTheReadTimeout(t *testing.T) {
	b := boot(t, "--admin-read-timeout=300ms", "--pprof")
	began := time.Now()
	r := b.get(b.status + "/debug/pprof/profile?seconds=1")
	if r.StatusCode != 200 || time.Since(began) < time.Second || len(r.text) < 100 {
		t.Errorf("%d after %s: %.200s", r.StatusCode, time.Since(began), r.text)
	}
}
