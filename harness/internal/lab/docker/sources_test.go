package docker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
)

// haproxyFrom is a server that the lab does not know, which answers by itself.
func haproxyFrom() lab.Spec {
	const conf = "defaults\n\tmode http\n\ttimeout client 5s\n" +
		"frontend f\n\tbind :8000\n\thttp-request return status 200 content-type text/plain string up\n"
	return lab.Spec{
		Name: "arm", Role: "arm", Program: "haproxy", Args: []string{"-db", "-f", "/etc/haproxy/haproxy.cfg"},
		Source: lab.Source{
			Places:  []string{"/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/opt/homebrew/bin/haproxy"},
			Version: []string{"-v"}, Packages: []string{"haproxy"}, Image: "haproxy:2.6-alpine",
		},
		Files: map[string][]byte{"/etc/haproxy/haproxy.cfg": []byte(conf)}, Ports: []int{8000}, CPUs: 0.5,
		Ready: func(ctx context.Context, n lab.Node) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HostAddr(8000)+"/", http.NoBody)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("status %d", res.StatusCode)
			}
			return nil
		},
	}
}

// TestServerOfASource starts a server of which the lab knows no more than its source: as nobody, with the limit asked for.
func TestServerOfASource(t *testing.T) {
	r := open(t, docker.Config{Progress: func(s string) { t.Log(s) }})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	l := lab.New(r, lab.Options{Progress: func(s string) { t.Log(s) }})
	must(t, l.Prepare(ctx, haproxyFrom()))
	n, err := l.Replace(ctx, haproxyFrom())
	must(t, err)
	user, cpus, err := r.Limits(ctx, n.Name())
	must(t, err)
	if user != "65534" || cpus != 0.5 {
		t.Errorf("it runs as %q with %g cores, want nobody and 0.5", user, cpus)
	}
	if info := r.Info(ctx)["image_haproxy"]; !strings.Contains(info, "aproxy") {
		t.Errorf("the manifest says %q of its image", info)
	}
	must(t, l.Close(ctx))
	nothingLeft(t, r)
}

// TestServerThatTheImageDoesNotHave names where it was looked for, and leaves nothing behind.
func TestServerThatTheImageDoesNotHave(t *testing.T) {
	r := open(t, docker.Config{Progress: func(s string) { t.Log(s) }})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := haproxyFrom()
	must(t, r.Prepare(ctx, []lab.Spec{s})) // the image is there now
	other := open(t, docker.Config{Progress: func(s string) { t.Log(s) }})
	s.Source.Image, s.Source.Packages = r.Image("haproxy"), nil
	s.Source.Executable, s.Source.Places = "squid", []string{"/nowhere/squid"}
	err := other.Prepare(ctx, []lab.Spec{s})
	if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "has no squid") ||
		!strings.Contains(err.Error(), "/nowhere/squid") {
		t.Errorf("error %v, want one that says where squid was looked for", err)
	}
	nothingLeft(t, other)
}
