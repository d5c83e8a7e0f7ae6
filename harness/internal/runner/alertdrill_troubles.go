package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"gatelab/harness/internal/drill"
	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
)

// trouble is something to break and to mend again. mend is called whenever
// bring was, also where that failed half way.
type trouble interface {
	bring(ctx context.Context) error
	mend(ctx context.Context) error
}

// troubles are this lab's, by cause.
func (d *drilling) troubles() map[string]trouble {
	origin := func(kind string, share float64, late time.Duration) trouble {
		var both several
		for i := 1; i <= max(d.stages[0].Topology.Origins, 1); i++ {
			both = append(both, d.broken(fault.Spec{Kind: kind, Target: lab.NameOf(lab.RoleOrigin, i), Share: share, Latency: late}))
		}
		return both
	}
	return map[string]trouble{
		drill.KillReplica:       d.broken(fault.Spec{Kind: fault.KindKill, Target: drillCut}),
		drill.LoseJob:           &lostJob{d},
		drill.FirstRequestsFail: &firstErrors{d},
		drill.FreezeReplicaDB:   &frozen{d},
		drill.BadConfiguration:  &rejected{d},
		drill.EmptyCacheForGood: &purging{drilling: d},
		drill.FillRedis:         &filled{d},
		drill.StopRedis:         d.broken(fault.Spec{Kind: fault.KindKill, Target: lab.RoleRedis}),
		drill.OriginRefuses:     origin(fault.KindOrigin429, 0.3, 0),
		drill.TargetGone:        &cutWay{d, wayOrigin},
		drill.OriginFails:       origin(fault.KindOrigin5xx, 0.3, 0),
		drill.OriginSlow:        origin(fault.KindOriginSlow, 1, 800*time.Millisecond),
		drill.SlowPostgres:      several{d.broken(fault.Spec{Kind: fault.KindLatency, Target: lab.RolePostgres, Latency: 300 * time.Millisecond}), &lookups{drilling: d}},
	}
}

// several troubles at once.
type several []trouble

func (s several) bring(ctx context.Context) error {
	for _, t := range s {
		if err := t.bring(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s several) mend(ctx context.Context) error {
	var errs []error
	for _, t := range s {
		errs = append(errs, t.mend(ctx))
	}
	return errors.Join(errs...)
}

// faultTrouble is a fault of package fault, held for as long as an alert needs.
type faultTrouble struct {
	lab   faultLab
	spec  fault.Spec
	fault fault.Fault // nil: nothing to mend
}

func (t *faultTrouble) bring(ctx context.Context) error {
	f, err := fault.Make(t.spec, t.lab)
	if err != nil {
		return err
	}
	if err := f.Setup(ctx); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	t.fault = f
	// Not cancelled half way: what is not known to be broken cannot be mended.
	injecting, done := context.WithTimeout(context.WithoutCancel(ctx), faultStep)
	defer done()
	if err := f.Inject(injecting); err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	seeing, cancel := context.WithTimeout(ctx, faultStep)
	defer cancel()
	if err := f.Effect(seeing); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrNoEffect, err)
	}
	return nil
}

func (t *faultTrouble) mend(ctx context.Context) error {
	if t.fault == nil {
		return nil
	}
	f := t.fault
	t.fault = nil
	err := f.Recover(ctx)
	if err == nil {
		err = f.Recovered(ctx)
	}
	return errors.Join(err, fault.Clean(ctx, f))
}

// faultStep is what injecting a fault, and seeing its effect, may take each.
const faultStep = 10 * time.Second

// cutWay makes a way through the link refuse connections, and ends those it has.
type cutWay struct {
	*drilling
	way string
}

func (t *cutWay) bring(ctx context.Context) error { return t.open(ctx, false) }
func (t *cutWay) mend(ctx context.Context) error  { return t.open(ctx, true) }

func (t *cutWay) open(ctx context.Context, yes bool) error {
	return t.tellLink(ctx, "/proxies/"+t.way, map[string]any{"enabled": yes})
}

// frozen cuts one replica's way to Postgres and changes the configuration.
type frozen struct{ *drilling }

const drillService = "added-while-one-replica-is-cut-off"

func (t *frozen) bring(ctx context.Context) error {
	if err := (&cutWay{t.drilling, wayPostgres}).bring(ctx); err != nil {
		return err
	}
	return sendJSON(ctx, http.MethodPost, t.admin()+"/services", map[string]any{"name": drillService, "url": "http://127.0.0.1:9"})
}

func (t *frozen) mend(ctx context.Context) error {
	return errors.Join(
		(&cutWay{t.drilling, wayPostgres}).mend(ctx),
		sendJSON(ctx, http.MethodDelete, t.admin()+"/services/"+drillService, nil))
}

// rejected puts a plugin into Postgres that no gateway has, past the Admin API,
// which would refuse it.
type rejected struct{ *drilling }

const drillPlugin = "6a7e1ab0-0000-4000-8000-00000000d111"

func (t *rejected) bring(ctx context.Context) error {
	return t.change(ctx, "create", `INSERT INTO plugins (id, name, body) VALUES ($1::uuid, 'no-such-plugin', jsonb_build_object('id', $1::uuid, 'name', 'no-such-plugin', 'enabled', true, 'config', '{}'::jsonb))`)
}

func (t *rejected) mend(ctx context.Context) error {
	return t.change(ctx, "delete", `DELETE FROM plugins WHERE id = $1::uuid`)
}

// change does what the store does for every change: it counts a revision and
// tells the replicas.
func (t *rejected) change(ctx context.Context, operation, sql string) error {
	pg, _ := t.lab.Node(lab.RolePostgres)
	ctx, cancel := context.WithTimeout(ctx, resetWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", lab.PostgresUser, lab.PostgresPassword, pg.HostAddr(lab.PortPostgres), lab.PostgresDatabase))
	if err != nil {
		return fmt.Errorf("change the configuration: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("change the configuration: %w", err)
	}
	var b pgx.Batch
	b.Queue(sql, drillPlugin)
	b.Queue("UPDATE current_revision SET id = id + 1")
	b.Queue("INSERT INTO revisions (id, actor, entity, entity_id, operation) SELECT id, 'drill', 'plugins', $1::uuid, $2::text FROM current_revision", drillPlugin, operation)
	b.Queue("SELECT pg_notify('gatelab_config', id::text) FROM current_revision")
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return errors.Join(fmt.Errorf("change the configuration: %w", err), tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}

// purging empties the cache twenty times a second.
type purging struct {
	*drilling
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (t *purging) bring(ctx context.Context) error {
	// The first is the one to fail; of the others there are enough.
	if err := sendJSON(ctx, http.MethodDelete, t.admin()+"/proxy-cache", nil); err != nil {
		return err
	}
	ctx, t.cancel = context.WithCancel(ctx)
	t.done.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = sendJSON(ctx, http.MethodDelete, t.admin()+"/proxy-cache", nil)
			}
		}
	})
	return nil
}

func (t *purging) mend(context.Context) error {
	if t.cancel != nil {
		t.cancel()
		t.done.Wait()
	}
	return nil
}

// filled puts so many large values into Redis that nineteen twentieths of its
// memory are in use.
type filled struct{ *drilling }

const (
	filling     = "gatelab:drill:filling:"
	fillingSize = 1 << 20
	fillTo      = 0.95
)

func (t *filled) client() *redis.Client {
	n, _ := t.lab.Node(lab.RoleRedis)
	return redis.NewClient(&redis.Options{Addr: n.HostAddr(lab.PortRedis), ReadTimeout: resetWithin, WriteTimeout: resetWithin})
}

func (t *filled) bring(ctx context.Context) error {
	rdb := t.client()
	defer rdb.Close()
	info, err := rdb.InfoMap(ctx, "memory").Result()
	if err != nil {
		return fmt.Errorf("fill Redis: %w", err)
	}
	var used, most float64
	if _, err := fmt.Sscan(info["Memory"]["used_memory"]+" "+info["Memory"]["maxmemory"], &used, &most); err != nil || most == 0 {
		return fmt.Errorf("fill Redis: it does not say what it may use: maxmemory %q", info["Memory"]["maxmemory"])
	}
	value := strings.Repeat("x", fillingSize)
	for i := range int((fillTo*most - used) / fillingSize) {
		if err := rdb.Set(ctx, fmt.Sprintf("%s%d", filling, i), value, 0).Err(); err != nil {
			return fmt.Errorf("fill Redis: %w", err)
		}
	}
	return nil
}

func (t *filled) mend(ctx context.Context) error {
	rdb := t.client()
	defer rdb.Close()
	keys := rdb.Scan(ctx, 0, filling+"*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := rdb.Del(ctx, keys.Val()).Err(); err != nil {
			return fmt.Errorf("empty Redis: %w", err)
		}
	}
	return keys.Err()
}

// lookups is traffic straight to the replica that looks every request up.
type lookups struct {
	*drilling
	stop   func()
	failed error // why the traffic ended early; read after stop
}

// lookupRate wants more connections at a time than the pool has: 60 a second,
// each 300 ms, are 18.
const lookupRate = 60

func (t *lookups) bring(ctx context.Context) error {
	a := t.attack(&t.stages[0], load.Probes, 1) // a worker does one other attack at a time
	a.ID += "-lookups"
	a.Target = t.url(drillLookup, lab.PortProxy)
	a.Rate, a.Duration, a.Timeout = lookupRate, drillFireIn+drillResolveIn, 5*time.Second
	t.stop = t.load(ctx, a, func(err error) { t.failed = err })
	return nil
}

func (t *lookups) mend(context.Context) error {
	if t.stop == nil {
		return nil
	}
	t.stop()
	return t.failed
}

// sendJSON sends body, which may be nil, and wants a status below 300.
func sendJSON(ctx context.Context, method, url string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, faultStep)
	defer cancel()
	var in io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := scrapeClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // for the message
		return fmt.Errorf("%s %s: status %d: %s", method, url, res.StatusCode, bytes.TrimSpace(said))
	}
	return nil
}
