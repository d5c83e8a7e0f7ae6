package serve

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/internal/webguard/guardtest"
)

// TestRunEndsWithItsContext holds Run to a clean end while a page follows.
func TestRunEndsWithItsContext(t *testing.T) {
	dir := reports(t)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Listen: "127.0.0.1:0", Reports: dir, Ready: func(a string) { ready <- a }})
	}()
	var address string
	select {
	case address = <-ready:
	case err := <-done:
		t.Fatal(err)
	case <-time.After(waitFor):
		t.Fatal("not ready")
	}
	conn, err := net.DialTimeout("tcp", address, waitFor)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(waitFor))
	if _, err := io.WriteString(conn, "GET /live/runs/20261123T120000Z-cache/events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q, %v", line, err)
	}
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(waitFor):
		t.Error("did not end")
	}
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	err := Run(context.Background(), Config{Listen: "127.0.0.1:0", Reports: filepath.Join(t.TempDir(), "none")})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("none")) {
		t.Errorf("got %v", err)
	}
}

func TestFurtherHosts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Listen: "127.0.0.1:0", Hosts: []string{"lab.example"}, Reports: reports(t), Ready: func(a string) { ready <- a }})
	}()
	url := "http://" + <-ready + "/"
	guardtest.Refuses(t, "GET", url)
	if got := guardtest.Status(t, "GET", url, "lab.example:8090"); got != 200 {
		t.Errorf("under a name that was given: %d", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Run(t.Context(), Config{Listen: "127.0.0.1:0", Hosts: []string{"a:80"}, Reports: reports(t)}); err == nil ||
		!strings.Contains(err.Error(), `hosts: host "a:80"`) {
		t.Errorf("a host with a port: %v", err)
	}
}
