// Package link puts delay, jitter and faults between two nodes: a TCP proxy on
// toxiproxy's library, in a node of its own, with toxiproxy's HTTP admin API
// to change the delay while it runs.
package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/gatelab/gatelab/internal/webguard"
)

// Proxy is one listener and where it leads.
type Proxy struct {
	Name     string        // also the name in the admin API
	Listen   string        // host:port
	Upstream string        // host:port, dialled for each connection
	Latency  time.Duration // one way, added in each direction
	Jitter   time.Duration // plus or minus, uniform
	Loss     float64       // share of what is sent that is lost once, 0 to 1; see Delay
}

// Config is a link node's whole configuration.
type Config struct {
	Admin   string   // host:port of the HTTP admin API; empty: none
	Hosts   []string // further names by which the admin API is reached
	Proxies []Proxy
}

// ParseProxy reads a proxy as it is written on a command line:
// name=listen,upstream[,latency[,jitter[,loss]]].
func ParseProxy(text string) (Proxy, error) {
	name, rest, ok := strings.Cut(text, "=")
	parts := strings.Split(rest, ",")
	if !ok || name == "" || len(parts) < 2 || len(parts) > 5 {
		return Proxy{}, fmt.Errorf("proxy %q: want name=listen,upstream[,latency[,jitter[,loss]]]", text)
	}
	p := Proxy{Name: name, Listen: parts[0], Upstream: parts[1]}
	for i, d := range []*time.Duration{&p.Latency, &p.Jitter} {
		if len(parts) <= 2+i {
			break
		}
		value, err := time.ParseDuration(parts[2+i])
		if err != nil {
			return Proxy{}, fmt.Errorf("proxy %q: %w", text, err)
		}
		*d = value
	}
	if len(parts) > 4 {
		loss, err := strconv.ParseFloat(parts[4], 64)
		if err != nil {
			return Proxy{}, fmt.Errorf("proxy %q: loss %q: want a number from 0 to 1", text, parts[4])
		}
		p.Loss = loss
	}
	return p, p.validate()
}

func (p Proxy) validate() error {
	for _, addr := range []string{p.Listen, p.Upstream} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("proxy %s: %q: want host:port", p.Name, addr)
		}
	}
	if p.Latency < 0 || p.Jitter < 0 || p.Jitter > p.Latency {
		return fmt.Errorf("proxy %s: latency %s and jitter %s: want 0 <= jitter <= latency", p.Name, p.Latency, p.Jitter)
	}
	if !(p.Loss >= 0 && p.Loss <= 1) { // also false for NaN
		return fmt.Errorf("proxy %s: loss %g is not allowed: want 0 to 1", p.Name, p.Loss)
	}
	return nil
}

// Run serves until the context ends, then closes every connection and returns
// nil. An address that cannot be listened on is an error.
func Run(ctx context.Context, c Config) error {
	toxics.Register(delayToxic, new(Delay))
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	defer func() { _ = server.Collection.Clear() }() // stops every proxy; always nil
	for _, p := range c.Proxies {
		if err := add(server, p); err != nil {
			return fmt.Errorf("link %s: %w", p.Name, err)
		}
	}
	if c.Admin == "" {
		<-ctx.Done()
		return nil
	}
	return serveAdmin(ctx, c, server)
}

func add(server *toxiproxy.ApiServer, p Proxy) error {
	if err := p.validate(); err != nil {
		return err
	}
	proxy := toxiproxy.NewProxy(server, p.Name, p.Listen, p.Upstream)
	if err := server.Collection.Add(proxy, true); err != nil {
		return err
	}
	if p.Latency == 0 && p.Loss == 0 {
		return nil
	}
	for _, direction := range []stream.Direction{stream.Upstream, stream.Downstream} {
		toxic, err := json.Marshal(map[string]any{
			"name": "delay_" + direction.String(), "type": delayToxic, "stream": direction.String(),
			"attributes": Delay{Latency: p.Latency.Microseconds(), Jitter: p.Jitter.Microseconds(), Loss: p.Loss},
		})
		if err != nil {
			return err
		}
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(string(toxic))); err != nil {
			return fmt.Errorf("add the delay: %w", err)
		}
	}
	return nil
}

// maxBytes is the longest body that the admin API reads: it is held in memory.
const maxBytes = 1 << 20

func serveAdmin(ctx context.Context, c Config, server *toxiproxy.ApiServer) error {
	guard, err := webguard.New(webguard.Config{Listen: c.Admin, Hosts: c.Hosts})
	if err != nil {
		return fmt.Errorf("link admin: hosts: %w", err)
	}
	listener, err := net.Listen("tcp", c.Admin)
	if err != nil {
		return fmt.Errorf("link admin: %w", err)
	}
	admin := webguard.NewServer(guard.Wrap(http.MaxBytesHandler(server.Routes(), maxBytes)), webguard.Limits{})
	served := make(chan error, 1)
	go func() { served <- admin.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("link admin: %w", err)
	case <-ctx.Done():
	}
	_ = admin.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("link admin: %w", err)
	}
	return nil
}
