package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// readyTry bounds one attempt. A published port accepts connections before the
// program behind it does, so an attempt may hang where it should be refused.
const readyTry = 2 * time.Second

// readyPoll is the pause between attempts.
const readyPoll = 20 * time.Millisecond

// WaitReady waits until a node does the work of its role, for at most half a
// minute. It is for nodes that this process did not start.
func WaitReady(ctx context.Context, n Node) error {
	ready := map[string]func(context.Context, Node) error{
		RolePostgres: readyPostgres, RoleRedis: readyRedis,
		RoleGateway: readyHTTP(PortStatus, "/health/ready"), RoleBalancer: readyHTTP(PortBalancerStat, "/health"),
		RoleOrigin: readyHTTP(PortOrigin, "/health"), RoleWorker: readyHTTP(PortWorker, "/health"),
		RoleLink: readyHTTP(PortLinkAdmin, "/version"), RolePrometheus: readyHTTP(PortPrometheus, "/-/ready"),
		RoleAlertmanager: readyHTTP(PortAlertmanager, "/-/ready"), RoleGrafana: readyHTTP(PortGrafana, "/api/health"),
	}
	return waitReady(ctx, n, Spec{Name: n.Name(), Ready: ready[n.Role()]})
}

// waitReady tries a node's Ready until it succeeds, the node ends, or its time
// is up. The error then holds the end of the node's log.
func waitReady(ctx context.Context, n Node, s Spec) error {
	if s.Ready == nil {
		return nil
	}
	within := s.ReadyIn
	if within == 0 {
		within = 30 * time.Second
	}
	deadline := time.Now().Add(within)
	for tries := 1; ; tries++ {
		try, cancel := context.WithTimeout(ctx, readyTry)
		err := s.Ready(try, n)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s: %w", n.Name(), context.Cause(ctx))
		}
		if tries%10 == 0 {
			if state, serr := n.State(ctx); serr == nil && !state.Running {
				return notReady(ctx, n, fmt.Errorf("it ended with exit code %d", state.ExitCode))
			}
		}
		if time.Now().After(deadline) {
			return notReady(ctx, n, fmt.Errorf("not ready within %s: %w", within, err))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", n.Name(), context.Cause(ctx))
		case <-time.After(readyPoll):
		}
	}
}

func notReady(ctx context.Context, n Node, why error) error {
	logs, err := n.Logs(ctx)
	if err != nil || logs == "" {
		return fmt.Errorf("%s: %w", n.Name(), why)
	}
	lines := strings.Split(logs, "\n")
	return fmt.Errorf("%s: %w; the end of its log:\n  %s", n.Name(), why, strings.Join(lines[max(0, len(lines)-15):], "\n  "))
}

// readyPostgres logs in and asks a question: the port alone is open while the
// server still recovers, and while the official image sets itself up.
func readyPostgres(ctx context.Context, n Node) error {
	c, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable",
		PostgresUser, PostgresPassword, n.HostAddr(PortPostgres), PostgresDatabase))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	var one int
	return c.QueryRow(ctx, "select 1").Scan(&one)
}

// readyRedis sends PING and wants +PONG.
func readyRedis(ctx context.Context, n Node) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", n.HostAddr(PortRedis))
	if err != nil {
		return err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	if _, err := io.WriteString(c, "*1\r\n$4\r\nPING\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.TrimSpace(line) != "+PONG" {
		return fmt.Errorf("redis answered %q to PING", strings.TrimSpace(line))
	}
	return nil
}

// readyHTTP wants a 200 from a path on one of the node's ports.
func readyHTTP(port int, path string) func(context.Context, Node) error {
	return func(ctx context.Context, n Node) error {
		addr := n.HostAddr(port)
		if addr == "" {
			return errors.New("its port is not published")
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, http.NoBody)
		if err != nil {
			return err
		}
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // for the message only
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answered %d: %s", path, res.StatusCode, strings.TrimSpace(string(body)))
		}
		return nil
	}
}
