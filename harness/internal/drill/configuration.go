package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// cutProxy makes a way through the link refuse connections, and ends those it has.
type cutProxy struct {
	*drill
	way string
}

func (t *cutProxy) begin(ctx context.Context) error { return t.open(ctx, false) }
func (t *cutProxy) end(ctx context.Context) error   { return t.open(ctx, true) }

func (t *cutProxy) open(ctx context.Context, yes bool) error {
	return t.tellLink(ctx, "/proxies/"+t.way, map[string]any{"enabled": yes})
}

// frozenReplica cuts one replica's way to Postgres and changes the configuration.
type frozenReplica struct{ *drill }

const frozenService = "added-while-one-replica-is-cut-off"

func (t *frozenReplica) begin(ctx context.Context) error {
	if err := (&cutProxy{t.drill, wayPostgres}).begin(ctx); err != nil {
		return err
	}
	return jsonhttp.Send(ctx, http.MethodPost, t.admin()+"/services", map[string]any{"name": frozenService, "url": "http://127.0.0.1:9"}, nil)
}

func (t *frozenReplica) end(ctx context.Context) error {
	return errors.Join(
		(&cutProxy{t.drill, wayPostgres}).end(ctx),
		jsonhttp.Send(ctx, http.MethodDelete, t.admin()+"/services/"+frozenService, nil, nil))
}

// rejectedConfiguration puts a plugin into Postgres that no gateway has, past the Admin API,
// which would refuse it.
type rejectedConfiguration struct{ *drill }

const rejectedPlugin = "6a7e1ab0-0000-4000-8000-00000000d111"

func (t *rejectedConfiguration) begin(ctx context.Context) error {
	return t.change(ctx, "create", `INSERT INTO plugins (id, name, body) VALUES ($1::uuid, 'no-such-plugin',
		jsonb_build_object('id', $1::uuid, 'name', 'no-such-plugin', 'enabled', true, 'config', '{}'::jsonb))`)
}

func (t *rejectedConfiguration) end(ctx context.Context) error {
	return t.change(ctx, "delete", `DELETE FROM plugins WHERE id = $1::uuid`)
}

// changeWithin bounds a change of the configuration in Postgres.
const changeWithin = 20 * time.Second

// change does what the store does for every change: it counts a revision and
// tells the replicas.
func (t *rejectedConfiguration) change(ctx context.Context, operation, sql string) error {
	pg, _ := t.session.Lab.Node(topology.RolePostgres)
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, sut.DSN(pg.HostAddr(topology.PortPostgres), lab.PostgresDatabase))
	if err != nil {
		return fmt.Errorf("change the configuration: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("change the configuration: %w", err)
	}
	var b pgx.Batch
	b.Queue(sql, rejectedPlugin)
	b.Queue("UPDATE current_revision SET id = id + 1")
	b.Queue(`INSERT INTO revisions (id, actor, entity, entity_id, operation)
		SELECT id, 'drill', 'plugins', $1::uuid, $2::text FROM current_revision`, rejectedPlugin, operation)
	b.Queue("SELECT pg_notify('gatelab_config', id::text) FROM current_revision")
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return errors.Join(fmt.Errorf("change the configuration: %w", err), tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}
