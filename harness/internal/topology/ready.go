package topology

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ReadyByRole waits until a node does the work of its role, for at most half a
// minute. It is for nodes that this process did not start.
func ReadyByRole(ctx context.Context, n lab.Node) error {
	ready := map[string]func(context.Context, lab.Node) error{
		RolePostgres: readyPostgres, RoleRedis: readyRedis,
		RoleGateway: readyHTTP(PortStatus, "/health/ready"), RoleBalancer: readyHTTP(PortBalancerStat, "/health"),
		RoleOrigin: readyHTTP(PortOrigin, "/health"), RoleWorker: readyHTTP(PortWorker, "/health"),
		RoleLink: readyHTTP(PortLinkAdmin, "/version"), RolePrometheus: readyHTTP(PortPrometheus, "/-/ready"),
		RoleAlertmanager: readyHTTP(PortAlertmanager, "/-/ready"), RoleGrafana: readyHTTP(PortGrafana, "/api/health"),
		RoleMonitor: readyHTTP(PortMonitor, "/health"), RoleCollector: readyHTTP(PortCollector, "/health"),
	}
	return lab.WaitReady(ctx, n, lab.Spec{Name: n.Name(), Ready: ready[n.Role()]})
}

// readyPostgres logs in and asks a question: the port alone is open while the
// server still recovers, and while the official image sets itself up.
func readyPostgres(ctx context.Context, n lab.Node) error {
	c, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable",
		lab.PostgresUser, lab.PostgresPassword, n.HostAddr(PortPostgres), lab.PostgresDatabase))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	var one int
	return c.QueryRow(ctx, "select 1").Scan(&one)
}

// readyRedis sends PING and wants +PONG.
func readyRedis(ctx context.Context, n lab.Node) error {
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
func readyHTTP(port int, path string) func(context.Context, lab.Node) error {
	return func(ctx context.Context, n lab.Node) error {
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

// KnownNode says whether some topology has a node of that name.
func KnownNode(name string) bool {
	if number, isGateway := strings.CutPrefix(name, RoleGateway+"-"); isGateway {
		i, err := strconv.Atoi(number)
		return err == nil && i >= 1 && i <= maxReplicas
	}
	if number, isWorker := strings.CutPrefix(name, RoleWorker+"-"); isWorker {
		i, err := strconv.Atoi(number)
		return err == nil && i >= 2 && i <= MaxWorkers
	}
	return slices.Contains([]string{RolePostgres, RoleRedis, NameOf(RoleRedis, 2), RoleOrigin, NameOf(RoleOrigin, 2), RoleLink,
		RoleBalancer, NameOf(RoleBalancer, 2), RoleWorker, RoleEdge, RolePrometheus, RoleAlertmanager, RoleGrafana,
		RoleMonitor, RoleCollector}, name)
}
