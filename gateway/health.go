package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// healthTimeout bounds what the health command waits for.
const healthTimeout = 3 * time.Second

// askHealth is the command for health checks of images without other programs:
// it asks the gateway that runs with the same settings whether it is ready.
func askHealth(inv *invocation) error {
	listen := inv.settings.StatusListen
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("status_listen=%q: %w", listen, err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(inv.ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/health/ready", http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: status %d", res.StatusCode)
	}
	return nil
}
