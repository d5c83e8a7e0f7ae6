// Package guardtest sends a listener what a web page would send, for tests of
// programs that have guards.
package guardtest

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Status sends a request without a body, with a Host (empty: the listener's own)
// and header lines of name and value, and returns the status of the answer.
func Status(t *testing.T, method, url, host string, header ...string) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if q.Host = host; host == "" {
		q.Host = q.URL.Host
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Add(header[i], header[i+1])
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("%s %s: Access-Control-Allow-Origin: %s", method, url, got)
	}
	return res.StatusCode
}

// Refuses checks that a listener refuses what web pages send it: under a name of
// theirs, and, where the method changes something, from another origin. It checks
// that the same request of the operator's passes.
func Refuses(t *testing.T, method, url string) {
	t.Helper()
	for _, host := range []string{"evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example"} {
		if got := Status(t, method, url, host); got != http.StatusForbidden {
			t.Errorf("%s %s with Host %s: %d, want 403", method, url, host, got)
		}
	}
	if got := Status(t, method, url, ""); got == http.StatusForbidden {
		t.Errorf("%s %s of the operator's: 403", method, url)
	}
	if method == http.MethodGet {
		return
	}
	for _, header := range [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
	} {
		if got := Status(t, method, url, "", header...); got != http.StatusForbidden {
			t.Errorf("%s %s with %v: %d, want 403", method, url, header, got)
		}
	}
}

// EndsIn checks that a connection which sent text, and sends no more, is closed or
// answered within a time.
func EndsIn(t *testing.T, address, text string, within time.Duration) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // of net.Conn itself
			t.Errorf("%s: a request that stops is still waited for after %s", address, within)
		}
	}
}
