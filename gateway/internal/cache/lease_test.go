package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// patient are replicas that share a Redis, whose requests wait for that long.
func patient(t *testing.T, n int, long time.Duration) []*Space {
	t.Helper()
	list := make([]*Space, n)
	prefix := fmt.Sprintf("%s:%d:", t.Name(), rand.Uint64())
	for i := range list {
		list[i] = newStore(t, Config{Prefix: prefix, WaitFor: long}).Space(newClient(t, redisOptions(t)))
		<-list[i].stands
	}
	return list
}

// TestALeaseIsRenewed has a fetch last longer than a lease does.
func TestALeaseIsRenewed(t *testing.T) {
	r := patient(t, 2, 4*time.Second)
	q := query("a", nil)
	leader := r[0].Find(t.Context(), q)
	found := follow(r[1], 3, q)
	time.Sleep(r[0].store.leaseFor() * 3 / 2)
	if len(found) > 0 {
		t.Fatalf("a follower did not wait: %+v", <-found)
	}
	e := response("x")
	leader.Fill.Aim(e, nil)
	leader.Fill.Store(e)
	for range 3 {
		if f := <-found; f.Outcome != Coalesced || string(f.Entry.Body) != "x" {
			t.Errorf("%+v", f)
		}
	}
	if n := testutil.ToFloat64(r[1].store.metrics.leases.WithLabelValues("followed")); n != 1 {
		t.Errorf("%v leases were followed: one request asks Redis for all", n)
	}
}

// TestADeadReplicasLeaseEnds has a replica give its lease no life any more.
func TestADeadReplicasLeaseEnds(t *testing.T) {
	r := patient(t, 3, 4*time.Second)
	q := query("a", nil)
	leader := r[0].Find(t.Context(), q)
	r[0].store.leases.drop(leader.Fill.hold) // dead
	one, two := follow(r[1], 1, q), follow(r[2], 1, q)
	var next, other <-chan Found
	var heir Found
	select {
	case heir = <-one:
		next, other = one, two
	case heir = <-two:
		next, other = two, one
	}
	if heir.Fill == nil || heir.Fill.hold == nil || len(next) > 0 {
		t.Fatalf("%+v", heir)
	}
	heir.Fill.Store(response("x"))
	if f := <-other; f.Outcome != Coalesced {
		t.Errorf("%+v", f)
	}
	leader.Fill.Refuse(true) // too late: the lease is another's
	time.Sleep(10 * time.Millisecond)
	var left int64
	err := r[0].client.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) (err error) {
		left, err = rdb.Exists(ctx, r[0].leaseKey(q.Key)).Result()
		return err
	})
	if err != nil || left != 0 {
		t.Errorf("a lease that had ended was given back: %d, %v", left, err)
	}
}

// TestALeaderThatHangsIsWaitedForWithinBounds has a leader that is alive and gets no answer.
func TestALeaderThatHangsIsWaitedForWithinBounds(t *testing.T) {
	r := patient(t, 2, time.Second)
	q := query("a", nil)
	leader := r[0].Find(t.Context(), q)
	defer leader.Fill.Abandon()
	f := r[1].Find(t.Context(), q)
	if f.Fill == nil || f.Fill.hold != nil {
		t.Errorf("%+v", f)
	}
	if n := testutil.ToFloat64(r[1].store.metrics.leases.WithLabelValues("timeout")); n != 1 {
		t.Errorf("%v time-outs", n)
	}
	f.Fill.Abandon()
}

// TestAnInvalidationEndsLeases has a resource change while it is fetched.
func TestAnInvalidationEndsLeases(t *testing.T) {
	r := patient(t, 2, 10*time.Second)
	q := query("a", nil)
	old := r[0].Find(t.Context(), q)
	r[1].Invalidate(t.Context(), q.URI)
	now := r[1].Find(t.Context(), q)
	if now.Fill == nil || now.Fill.hold == nil {
		t.Fatalf("%+v", now)
	}
	old.Fill.Store(response("old"))
	now.Fill.Store(response("new"))
	eventually(t, "what was asked for afterwards", func() bool {
		f := r[0].Find(t.Context(), q)
		if f.Fill != nil {
			f.Fill.Abandon()
		}
		return f.Entry != nil && string(f.Entry.Body) == "new"
	})
}

// TestVariantsHaveLeases has replicas that do not know yet that a resource varies.
func TestVariantsHaveLeases(t *testing.T) {
	r := patient(t, 2, 10*time.Second)
	en, de := query("a", header("Accept-Language", "en")), query("a", header("Accept-Language", "de"))
	leader := r[0].Find(t.Context(), en)
	same, other := follow(r[1], 1, en), follow(r[1], 1, de)
	time.Sleep(20 * time.Millisecond)
	e := response("hello", "accept-language")
	leader.Fill.Aim(e, en.Request)
	leader.Fill.Store(e)
	if f := <-same; f.Entry == nil || string(f.Entry.Body) != "hello" {
		t.Errorf("%+v", f)
	}
	f := <-other
	if f.Fill == nil {
		t.Fatalf("%+v", f)
	}
	f.Fill.Abandon()
}

// TestARedisThatHangsIsWaitedForOnce has a server that takes connections and never answers.
func TestARedisThatHangsIsWaitedForOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reg := redisconn.NewRegistry(redisconn.Config{Timeout: 50 * time.Millisecond, DialTimeout: 50 * time.Millisecond}, nil)
	defer reg.Close()
	sp := newStore(t, Config{}).Space(reg.Client(redisconn.Options{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}))
	q := query("a", nil)
	began := time.Now()
	leader := sp.Find(t.Context(), q)
	found := follow(sp, 5, q)
	if took := time.Since(began); leader.Fill == nil || took > 2*time.Second {
		t.Fatalf("after %s: %+v", took, leader)
	}
	leader.Fill.Store(response("x"))
	for range 5 {
		if f := <-found; f.Entry == nil {
			t.Errorf("misses of one replica are not one: %+v", f)
		}
	}
	for i := range 20 { // the breaker opens
		f := sp.Find(context.Background(), query(fmt.Sprint(i), nil))
		f.Fill.Abandon()
	}
	began = time.Now()
	sp.Find(t.Context(), query("b", nil)).Fill.Abandon()
	if took := time.Since(began); took > time.Second {
		t.Errorf("a Redis that is known not to answer was waited for %s", took)
	}
}
