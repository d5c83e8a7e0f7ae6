// Package sut knows the systems under test: how one is emptied, configured, and asked whether it serves what it was told.
package sut

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Gatelab is our own gateway: replicas that share a Postgres and a Redis.
type Gatelab struct{ Lab *lab.Lab }

// Admin is the URL of a replica's Admin API.
func Admin(n lab.Node) string { return "http://" + n.HostAddr(topology.PortAdmin) }

// Configure writes entities over the first replica's Admin API and waits until all replicas serve them.
func (g Gatelab) Configure(ctx context.Context, entities map[string]any) error {
	replicas := g.Lab.Nodes(topology.RoleGateway)
	if len(replicas) == 0 {
		return fmt.Errorf("the lab has no %s", topology.RoleGateway)
	}
	if err := Apply(ctx, Admin(replicas[0]), entities); err != nil {
		return err
	}
	return Agree(ctx, replicas)
}

// Reset removes the replicas and the edge, whose caches go with them, and empties what keeps state otherwise: the database, Redis, and the
// origins' counters.
func (g Gatelab) Reset(ctx context.Context) error {
	for _, n := range slices.Concat(g.Lab.Nodes(topology.RoleGateway), g.Lab.Nodes(topology.RoleEdge)) {
		if err := g.Lab.Drop(ctx, n.Name()); err != nil {
			return err
		}
	}
	for _, store := range []struct {
		role  string
		reset func(context.Context, lab.Node) error
	}{{role: topology.RolePostgres, reset: resetDatabase}, {role: topology.RoleRedis, reset: resetRedis}} {
		n, ok := g.Lab.Node(store.role)
		if !ok {
			return fmt.Errorf("the lab has no %s", store.role)
		}
		if err := store.reset(ctx, n); err != nil {
			return err
		}
	}
	for _, n := range g.Lab.Nodes(topology.RoleOrigin) {
		if err := jsonhttp.Send(ctx, http.MethodPost, "http://"+n.HostAddr(topology.PortOrigin)+"/reset", nil, nil); err != nil {
			return fmt.Errorf("reset the origin: %w", err)
		}
	}
	return nil
}

// Empty says whether nothing but the given entities is there: no key in Redis, and no further service.
func (g Gatelab) Empty(ctx context.Context, entities map[string]any) (bool, error) {
	unused, err := g.Unused(ctx)
	if err != nil || !unused {
		return false, err
	}
	return g.Only(ctx, entities)
}

// Unused says whether there is no key in Redis.
func (g Gatelab) Unused(ctx context.Context) (bool, error) {
	node, ok := g.Lab.Node(topology.RoleRedis)
	if !ok {
		return false, fmt.Errorf("the lab has no %s", topology.RoleRedis)
	}
	keys, err := keysIn(ctx, node.HostAddr(topology.PortRedis))
	return keys == 0, err
}

// Only says whether the gateway has the given services and no further one.
func (g Gatelab) Only(ctx context.Context, entities map[string]any) (bool, error) {
	var page struct {
		Data []struct {
			Name string `json:"name"`
		} `json:"data"`
	}
	if err := jsonhttp.Get(ctx, Admin(g.Lab.Nodes(topology.RoleGateway)[0])+"/services?size=1000", &page); err != nil {
		return false, err
	}
	want, err := children(entities, "services")
	if err != nil {
		return false, err
	}
	return len(page.Data) == len(want), nil
}

// keysIn counts all keys of a Redis, in every database.
func keysIn(ctx context.Context, addr string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, resetWithin)
	defer cancel()
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return 0, fmt.Errorf("count Redis' keys: %w", err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: addr, DialTimeout: 2 * time.Second})
	defer rdb.Close()
	info, err := rdb.Info(ctx, "keyspace").Result()
	if err != nil {
		return 0, fmt.Errorf("count Redis' keys: %w", err)
	}
	var keys int64
	for line := range strings.Lines(info) {
		_, rest, ok := strings.Cut(line, ":keys=")
		if !ok {
			continue
		}
		var n int64
		if _, err := fmt.Sscan(strings.Split(rest, ",")[0], &n); err != nil {
			return 0, fmt.Errorf("count Redis' keys: %q: %w", line, err)
		}
		keys += n
	}
	return keys, nil
}

// agreeWithin is how long the replicas may take to serve the newest revision.
const agreeWithin = 20 * time.Second

// Agree waits until every replica serves the newest revision that the first one knows.
func Agree(ctx context.Context, replicas []lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, agreeWithin)
	defer cancel()
	want, err := NewestRevision(ctx, Admin(replicas[0]))
	if err != nil {
		return err
	}
	for _, n := range replicas {
		for !servesRevision(ctx, n, want) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s does not serve revision %d: %w", n.Name(), want, context.Cause(ctx))
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

func servesRevision(ctx context.Context, n lab.Node, want int64) bool {
	m, err := readings.Scrape(ctx, n.HostAddr(topology.PortStatus))
	if err != nil {
		return false
	}
	got, ok := m.Value("gateway_snapshot_revision")
	return ok && int64(got) >= want
}

// NewestRevision is the number of the newest configuration change; 0 if there was none.
func NewestRevision(ctx context.Context, admin string) (int64, error) {
	var page struct {
		Data []struct {
			ID int64 `json:"id"`
		} `json:"data"`
	}
	if err := jsonhttp.Get(ctx, admin+"/revisions", &page); err != nil {
		return 0, err
	}
	if len(page.Data) == 0 {
		return 0, nil
	}
	return page.Data[0].ID, nil
}

// ServedRevision is the revision that a replica serves, by its readiness check. An error: it serves none.
func ServedRevision(ctx context.Context, client *http.Client, n lab.Node) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HostAddr(topology.PortStatus)+"/health/ready", http.NoBody)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<10)) // so that the connection can be used again
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: status %d", n.Name(), res.StatusCode)
	}
	return strconv.ParseInt(res.Header.Get("X-Gateway-Revision"), 10, 64)
}
