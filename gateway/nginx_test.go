package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatelab/gatelab/internal/testenv"
)

// nginxConfig keeps connections to two gateways. It goes to the other one only
// with what could not be sent: a POST that was sent and lost is a 502.
const nginxConfig = `daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 512; }
http {
  access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p;
  fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream gateways { server %[2]s max_fails=1 fail_timeout=1s; server %[3]s max_fails=1 fail_timeout=1s; keepalive 64; }
  server { listen %[4]s; location / { proxy_pass http://gateways; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}`

// nginx starts one, ended with the test.
func nginx(t *testing.T, first, second string) (address string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("nginx is not installed: run make deps")
		}
	}
	address = testenv.FreeAddr(t)
	dir := t.TempDir()
	text := fmt.Sprintf(nginxConfig, dir, strings.TrimPrefix(first, "http://"), strings.TrimPrefix(second, "http://"), address)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", filepath.Join(dir, "conf"), "-p", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("%s", log)
		}
	})
	return address
}

func TestARestartBehindNginxLosesNoRequest(t *testing.T) {
	a, b := boot(t, "--drain-idle=2s"), boot(t)
	for _, g := range []*testGateway{a, b} {
		g.service()
		g.eventually("the configuration arrives", func() bool { return g.get(g.proxy+"/ai/a").StatusCode == 200 })
	}
	front := "http://" + nginx(t, a.proxy, b.proxy)
	a.eventually("nginx serves", func() bool { return a.get(front+"/ai/a").StatusCode == 200 })
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	var answered atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				res, err := http.Post(front+"/ai/x", "text/plain", strings.NewReader("ok"))
				if err != nil {
					t.Errorf("after %d answers: %v", answered.Load(), err)
					return
				}
				_ = res.Body.Close()
				if res.StatusCode != 200 {
					t.Errorf("after %d answers: %s", answered.Load(), res.Status)
				}
				answered.Add(1)
			}
		})
	}
	a.eventually("both gateways are asked", func() bool { return answered.Load() > 200 && a.asked.Load() > 50 && b.asked.Load() > 50 })
	a.cancel()
	<-a.ended
	after := answered.Load()
	b.eventually("the other goes on alone", func() bool { return answered.Load() > after+200 })
	stop()
	wg.Wait()
	t.Logf("%d requests, %d of them by the gateway that went", answered.Load(), a.asked.Load())
}
