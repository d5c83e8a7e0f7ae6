package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func proxyV2(command, family byte, body []byte) string {
	b := append([]byte(proxySignature), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body))) //nolint:gosec // short
	return string(append(b, body...))
}

var (
	v2of4 = append(netip.MustParseAddr("203.0.113.7").AsSlice(), 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb)
	v2of6 = append(append(netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice()...),
		0x12, 0x34, 0x01, 0xbb)
)

// TestProxyHeaders: each header before a request; want is the client's address
// that the upstream is told, "" where the connection is closed.
func TestProxyHeaders(t *testing.T) {
	const own = "127.0.0.1"
	for name, c := range map[string]struct{ header, want, port string }{
		"version 1, IPv4":              {"PROXY TCP4 203.0.113.7 10.0.0.1 4660 443\r\n", "203.0.113.7", "443"},
		"version 1, IPv6":              {"PROXY TCP6 2001:db8::7 2001:db8::1 4660 8443\r\n", "2001:db8::7", "8443"},
		"version 1, unknown":           {"PROXY UNKNOWN\r\n", own, ""},
		"version 1, unknown with more": {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", own, ""},
		"version 2, IPv4":              {proxyV2(0x21, 0x11, v2of4), "203.0.113.7", "443"},
		"version 2, IPv6":              {proxyV2(0x21, 0x21, v2of6), "2001:db8::7", "443"},
		"version 2 with more":          {proxyV2(0x21, 0x11, append(bytes.Clone(v2of4), 0x04, 0, 1, 0)), "203.0.113.7", "443"},
		"version 2, local":             {proxyV2(0x20, 0x11, v2of4), own, ""},
		"version 2, unspecified":       {proxyV2(0x21, 0x00, nil), own, ""},

		"none":                         {"", "", ""},
		"version 1, no address":        {"PROXY TCP4 203.0.113.x 10.0.0.1 4660 443\r\n", "", ""},
		"version 1, another family":    {"PROXY TCP4 2001:db8::7 2001:db8::1 4660 443\r\n", "", ""},
		"version 1, a port too large":  {"PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n", "", ""},
		"version 1, a port with sign":  {"PROXY TCP4 203.0.113.7 10.0.0.1 +1 443\r\n", "", ""},
		"version 1, too few words":     {"PROXY TCP4 203.0.113.7 10.0.0.1 4660\r\n", "", ""},
		"version 1, two spaces":        {"PROXY  TCP4 203.0.113.7 10.0.0.1 4660 443\r\n", "", ""},
		"version 1, bare LF":           {"PROXY TCP4 203.0.113.7 10.0.0.1 4660 443\n", "", ""},
		"version 1, too long":          {"PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n", "", ""},
		"version 2, of version 3":      {proxyV2(0x31, 0x11, v2of4), "", ""},
		"version 2, another command":   {proxyV2(0x22, 0x11, v2of4), "", ""},
		"version 2, datagrams":         {proxyV2(0x21, 0x12, v2of4), "", ""},
		"version 2, too short":         {proxyV2(0x21, 0x11, v2of4[:11]), "", ""},
		"version 2, too long":          {proxyV2(0x21, 0x11, make([]byte, 5000)), "", ""},
		"the header twice":             {"PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n", "400", ""},
		"lower case":                   {"proxy TCP4 203.0.113.7 10.0.0.1 4660 443\r\n", "", ""},
		"one that ends in the middle":  {"PROXY TCP4 203", "", ""},
		"version 2, cut":               {proxyV2(0x21, 0x11, v2of4)[:20], "", ""},
		"what looks like version 2":    {strings.Replace(proxySignature, "QUIT", "QUIX", 1) + "\x21\x11\x00\x00", "", ""},
		"a TLS record where it should": {"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\x00", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan http.Header, 1)
			origin := server(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
			g := startServer(t, Config{}, limits(func(c *ServerConfig) {
				c.ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				c.HeaderTimeout = time.Second
			}), 4)
			g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
			conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, c.header)
			if c.want != "" || c.header == "" {
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
			}
			answer, _ := io.ReadAll(conn) // a reset is an end, too
			switch c.want {
			case "", "400":
				if c.want == "" && len(answer) > 0 || c.want != "" && !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
					t.Errorf("answered %.60q, want %q", answer, c.want)
				}
				return
			}
			if !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
				t.Fatalf("answered %.60q", answer)
			}
			h := <-seen
			if h.Get("X-Real-Ip") != c.want || h.Get("X-Forwarded-For") != "9.9.9.9, "+c.want {
				t.Errorf("the upstream is told %s and %s, want %s", h.Get("X-Real-Ip"), h.Get("X-Forwarded-For"), c.want)
			}
			if port := h.Get("X-Forwarded-Port"); c.port != "" && port != c.port {
				t.Errorf("the port is %s, want %s", port, c.port)
			}
		})
	}
}

// A PROXY header counts before TLS and HTTP/2, and for ip-restriction.
func TestProxyHeaderBeforeTLS(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := startServer(t, Config{AccessLog: LogAll}, limits(func(c *ServerConfig) {
		c.ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, entity.Plugin{
		ID: "p1", Name: "ip-restriction", Enabled: true, Config: map[string]any{"deny": []any{"203.0.113.8"}},
	}))
	address := g.listen(t, Protocols{TLS: true, HTTP2: true})
	for from, want := range map[string]int{"203.0.113.7": 200, "203.0.113.8": 403} {
		for _, http2 := range []bool{false, true} {
			tr := &http.Transport{
				Protocols: &http.Protocols{}, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test's own
				Dial: func(_, _ string) (net.Conn, error) {
					conn, err := net.Dial("tcp", address)
					if err == nil {
						_, err = io.WriteString(conn, "PROXY TCP4 "+from+" 10.0.0.1 4660 443\r\n")
					}
					return conn, err
				},
			}
			tr.Protocols.SetHTTP1(!http2)
			tr.Protocols.SetHTTP2(http2)
			res, err := (&http.Client{Transport: tr}).Get("https://" + address + "/")
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			tr.CloseIdleConnections()
			if res.StatusCode != want {
				t.Errorf("from %s, HTTP/2 %t: %d, want %d", from, http2, res.StatusCode, want)
			}
			g.waitForLog(t, from)
		}
	}
}

// What is no balancer cannot speak for another client.
func TestProxyHeaderOfAStranger(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := startServer(t, Config{}, limits(func(c *ServerConfig) {
		c.ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}), 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	conn, line := rawExchange(t, g, "PROXY TCP4 203.0.113.7 10.0.0.1 4660 443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
	conn.Close()
	if !strings.HasPrefix(line, "HTTP/1.1 400") {
		t.Errorf("answered %q", line)
	}
	if res, _ := get(t, g.url); res.StatusCode != 200 {
		t.Errorf("without the header: %d", res.StatusCode)
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.7 10.0.0.1 4660 443\r\nGET"))
	f.Add([]byte(proxyV2(0x21, 0x21, v2of6)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(b), 16)
		p, err := readProxyHeader(r)
		if err != nil && p.client.IsValid() {
			t.Errorf("%q: %v and an error, %v", b, p, err)
		}
	})
}
