package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// askHealth is the command for health checks of images that have no other
// program: it asks the gateway of the same settings whether it is ready.
func askHealth(c *call) error {
	host, port, err := net.SplitHostPort(c.settings.statusListen)
	if err != nil {
		return fmt.Errorf("status_listen=%q: %w", c.settings.statusListen, err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(c.ctx, 3*time.Second)
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
