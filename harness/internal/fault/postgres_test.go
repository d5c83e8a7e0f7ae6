package fault_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
	"github.com/gatelab/gatelab/internal/testenv"
)

// otherNode is a node of any role whose only port is at addr.
type otherNode struct {
	linkNode
	role, addr string
}

func (n *otherNode) Name() string        { return n.role }
func (n *otherNode) Role() string        { return n.role }
func (n *otherNode) HostAddr(int) string { return n.addr }

// labPostgres is a real Postgres as a lab's node, with the lab's user and
// database.
func labPostgres(t *testing.T) nodes {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for _, sql := range []string{
		"CREATE ROLE " + lab.PostgresUser + " SUPERUSER LOGIN PASSWORD '" + lab.PostgresPassword + "'",
		"CREATE DATABASE " + lab.PostgresDatabase + " OWNER " + lab.PostgresUser,
	} {
		if _, err := c.Exec(ctx, sql); err != nil && !strings.Contains(err.Error(), "already exists") {
			t.Fatal(err)
		}
	}
	addr := net.JoinHostPort(c.Config().Host, strconv.Itoa(int(c.Config().Port)))
	return nodes{&otherNode{linkNode: linkNode{node: newNode()}, role: topology.RolePostgres, addr: addr}}
}

func TestConnectionsTakesAllFromOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server")
	}
	l := labPostgres(t)
	pg, _ := l.Node(topology.RolePostgres)
	dsn := fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable",
		lab.PostgresUser, lab.PostgresPassword, pg.HostAddr(0), lab.PostgresDatabase)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	victim, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Close(context.Background())
	f, err := fault.Make(fault.Spec{Kind: fault.KindConnections, Target: topology.RolePostgres}, l)
	if err != nil {
		t.Fatal(err)
	}
	e, err := fault.Run(ctx, f, fault.Plan{OnStep: func(step string, _ fault.Event) {
		if step != fault.StepEffect {
			return
		}
		if err := victim.Ping(ctx); err == nil {
			t.Error("a client that was connected before still is")
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	again, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("after %+v: %v", e, err)
	}
	_ = again.Close(ctx)
}

func TestFaultsRejectOtherRoles(t *testing.T) {
	l := nodes{&otherNode{linkNode: linkNode{node: newNode()}, role: topology.RoleRedis, addr: "127.0.0.1:1"}}
	for kind, want := range map[string]string{
		fault.KindConnections: "redis is no Postgres",
		fault.KindDiskFull:    "redis is no Postgres",
		fault.KindOrigin5xx:   "redis is no origin",
	} {
		_, err := fault.Make(fault.Spec{Kind: kind, Target: topology.RoleRedis}, l)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", kind, err, want)
		}
	}
}

func TestFlushForgetsEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server")
	}
	l := nodes{&otherNode{linkNode: linkNode{node: newNode()}, role: topology.RoleRedis, addr: testenv.Redis(t)}}
	f, err := fault.Make(fault.Spec{Kind: fault.KindFlush, Target: topology.RoleRedis}, l)
	if err != nil {
		t.Fatal(err)
	}
	e, err := fault.Run(t.Context(), f, fault.Plan{})
	if err != nil || e.EffectObservedAt.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
}
