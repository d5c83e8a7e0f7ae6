package tcplog

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"tcp-log.host":                 `../logentry: json:"host" + s.Host`,
	"tcp-log.port":                 `../logentry: json:"port" + s.Port`,
	"tcp-log.timeout":              `../logentry: json:"timeout" + s.Timeout`,
	"tcp-log.keepalive":            `.: json:"keepalive" + s.Keepalive`,
	"tcp-log.tls":                  `.: json:"tls" + s.TLS`,
	"tcp-log.tls_sni":              `.: json:"tls_sni" + s.TLSSNI`,
	"tcp-log.custom_fields_by_lua": "refused",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 7, Config: `{"host":"h","port":1}`,
		Defaults: map[string]any{
			"host": "h", "port": int64(1), "timeout": int64(10_000), "keepalive": int64(60_000), "tls": false, "tls_sni": nil,
			"custom_fields_by_lua": nil,
		},
		Refused: map[string]string{
			`{"port":1}`:              "host: required field missing",
			`{"host":"h"}`:            "port: required field missing",
			`{"host":"h","port":1e9}`: "port: value should be between 0 and 65535",
			`{"host":"h h","port":1}`: "host: ",
		},
	}.Check(t, Definition())
}

// collector is a TCP server that says of each line on which connection it came.
// After each line it closes the connection, if that is wanted.
func collector(t *testing.T, config *tls.Config, closes bool) (port int, got <-chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sent, done := make(chan string, 100), make(chan struct{})
	port = ln.Addr().(*net.TCPAddr).Port
	if config != nil {
		ln = tls.NewListener(ln, config)
	}
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			lines := bufio.NewScanner(c)
			for lines.Scan() {
				var e struct{ Request struct{ URI string } }
				if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
					sent <- err.Error()
				}
				if closes {
					_ = c.Close()
				}
				sent <- fmt.Sprintf("%d %s", n, e.Request.URI)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return port, sent
}

func TestRequests(t *testing.T) {
	origin := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	authority := httptest.NewUnstartedServer(origin)
	authority.StartTLS()
	t.Cleanup(authority.Close)
	names := make(chan string, 9)
	secure := &tls.Config{Certificates: authority.TLS.Certificates, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- h.ServerName
		return nil, nil //nolint:nilnil // says to use the listener's own
	}}
	for _, tt := range []struct {
		name   string
		tls    *tls.Config
		closes bool
		config entity.Record
		want   []string
		sni    string
	}{
		{name: "one connection", want: []string{"1 /a", "1 /b"}},
		{name: "no connection is kept", config: entity.Record{"keepalive": 0}, want: []string{"1 /a", "2 /b"}},
		{name: "a connection that was closed", closes: true, want: []string{"1 /a", "2 /b"}},
		{name: "TLS", tls: secure, config: entity.Record{"tls": true, "tls_sni": "logs.test"}, want: []string{"1 /a", "1 /b"}, sni: "logs.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port, got := collector(t, tt.tls, tt.closes)
			config := entity.Record{"host": "127.0.0.1", "port": port}
			for k, v := range tt.config {
				config[k] = v
			}
			g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{"name": name, "config": config})
			for i, path := range []string{"/a", "/b"} {
				g.Send(t, http.MethodGet, path, "")
				select {
				case s := <-got:
					if s != tt.want[i] {
						t.Errorf("got %s, want %s", s, tt.want[i])
					}
				case <-time.After(10 * time.Second):
					t.Fatal("the collector was sent nothing")
				}
			}
			if tt.sni != "" {
				if sni := <-names; sni != tt.sni {
					t.Errorf("SNI %s", sni)
				}
			}
		})
	}
}

// TestNoCollector delivers when there is one.
func TestNoCollector(t *testing.T) {
	origin := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().(*net.TCPAddr)
	_ = ln.Close()
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()},
		entity.Record{"name": name, "config": entity.Record{"host": "127.0.0.1", "port": address.Port}})
	if res, _ := g.Send(t, http.MethodGet, "/kept", ""); res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	if ln, err = net.Listen("tcp", address.String()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_ = ln.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.Contains(line, "/kept") || !strings.HasSuffix(line, "}\r\n") {
		t.Errorf("%q, %v", line, err)
	}
}
