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

func (b *booted) counter(name string) string {
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
		about, line, host string
		header            []string
		status            int
	}{
		{"curl", "GET /services", own, nil, 200},
		{"a name of loopback", "GET /services", "localhost:" + port, nil, 200},
		{"the same with the dot of the root, in upper case", "GET /services", "LOCALHOST.:" + port, nil, 200},
		{"loopback of IPv6", "GET /services", "[::1]:" + port, nil, 200},
		{"a name that is set", "GET /services", "Kong.example.com:" + port, nil, 200},
		{"an address that is set", "GET /services", "192.0.2.7", nil, 200},
		{"DNS rebinding", "GET /key-auths", "evil.example:" + port, nil, 403},
		{"DNS rebinding without a port", "GET /key-auths", "evil.example", nil, 403},
		{"a name that begins as loopback", "GET /", "localhost.evil.example:" + port, nil, 403},
		{"an address in a name", "GET /", "127.0.0.1.evil.example:" + port, nil, 403},
		{"another address", "GET /", "192.0.2.8:" + port, nil, 403},
		{"a name set with a tail", "GET /", "kong.example.com.evil.example", nil, 403},
		{"no host", "GET /", "", nil, 403},
		{"a rebinding preflight", "OPTIONS /services", "evil.example", []string{"Origin: https://ui.example.com", "Access-Control-Request-Method: POST"}, 403},
		{"the target's own host counts", "GET http://evil.example/services", own, nil, 403},
		{"a rebinding purge", "DELETE /proxy-cache", "evil.example", nil, 403},

		{"a form of another page", "POST /services", own, []string{form, "Origin: https://evil.example"}, 403},
		{"a form of another port", "POST /services", own, []string{form, "Origin: http://127.0.0.1:1"}, 403},
		{"a form of a sandboxed page", "POST /services", own, []string{form, "Origin: null"}, 403},
		{"two origins", "POST /services", own, []string{form, "Origin: http://" + own, "Origin: https://evil.example"}, 403},
		{"plain text", "POST /services", own, []string{"Content-Type: text/plain", "Origin: https://evil.example"}, 403},
		{"JSON", "POST /services", own, []string{"Content-Type: application/json", "Origin: https://evil.example"}, 403},
		{"multipart", "POST /services", own, []string{"Content-Type: multipart/form-data; boundary=x", "Origin: https://evil.example"}, 403},
		{"a page without an Origin", "POST /services", own, []string{form, "Sec-Fetch-Site: cross-site"}, 403},
		{"a page of the same site", "POST /services", own, []string{form, "Sec-Fetch-Site: same-site"}, 403},
		{"a foreign Origin that says it is our own", "POST /services", own, []string{form, "Sec-Fetch-Site: same-origin", "Origin: https://evil.example"}, 403},
		{"a purge by a page", "DELETE /proxy-cache", own, []string{"Origin: https://evil.example"}, 403},
		{"a method of no meaning", "FOO /services", own, []string{"Origin: https://evil.example"}, 403},
		{"an origin set, by a foreign name", "POST /services", "evil.example", []string{form, "Origin: https://ui.example.com"}, 403},

		{"a form of curl", "POST /services", own, []string{form}, 201},
		{"typed into the address bar", "POST /services", own, []string{form, "Sec-Fetch-Site: none"}, 201},
		{"a page of the listener itself", "POST /services", own, []string{form, "Sec-Fetch-Site: same-origin", "Origin: http://" + own}, 201},
		{"a page that is set", "POST /services", own, []string{form, "Sec-Fetch-Site: cross-site", "Origin: https://ui.example.com"}, 201},
		{"a page reads", "GET /services", own, []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, 200},
	} {
		t.Run(tt.about, func(t *testing.T) {
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
			if allowed != "" && (allowed != "https://ui.example.com" || tt.status == 403) || r.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
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
		about, path, host string
		header            string
		status            int
	}{
		{"Prometheus", "/metrics", "gateway-1:8100", "", 200},
		{"a probe", "/health/ready", own, "", 200},
		{"rebinding reads metrics", "/metrics", "evil.example:8100", "", 403},
		{"rebinding reads health", "/health/live", "evil.example", "", 403},
		{"rebinding reads a heap", "/debug/pprof/heap", "evil.example", "", 403},
		{"a page causes a profile", "/debug/pprof/profile?seconds=1", own, "Sec-Fetch-Site: cross-site", 403},
		{"a page causes a heap dump", "/debug/pprof/heap", own, "Origin: https://evil.example", 403},
		{"an operator's heap", "/debug/pprof/heap", own, "Sec-Fetch-Site: none", 200},
		{"a profile without end", "/debug/pprof/profile?seconds=1e9", own, "X-A: b", 400},
	} {
		t.Run(tt.about, func(t *testing.T) {
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
	head := "POST /services HTTP/1.1\r\nHost: " + own + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname="
	for _, tt := range []struct {
		about, base, send, trickle string
		status                     int // 0: the connection ends without an answer
	}{
		{"a body that stops", b.admin, head, "", 408},
		{"a body of one byte now and then", b.admin, head, "x", 408},
		{"a chunked body", b.admin, "POST /services HTTP/1.1\r\nHost: " + own + "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "", 408},
		{"a refused body", b.admin, strings.Replace(head, "Content-Type", "Origin: https://evil.example\r\nContent-Type", 1), "", 403},
		{"a body that is not read", b.status, "GET /health/ready HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", "", 403},
		{"a header that stops", b.admin, "GET / HTTP/1.1\r\nHost: " + own + "\r\n", "", 0},
		{"a header of one byte now and then", b.status, "GET / HTTP/1.1\r\nX-A: ", "x", 0},
		{"a long header", b.admin, "GET / HTTP/1.1\r\nHost: " + own + "\r\nX-A: " + strings.Repeat("a", 80<<10) + "\r\n\r\n", "", 431},
	} {
		t.Run(tt.about, func(t *testing.T) {
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
