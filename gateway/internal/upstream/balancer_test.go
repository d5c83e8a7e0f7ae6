package upstream

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// balance makes a balancer over targets of the given weights, named a, b, c ...
func balance(t *testing.T, algorithm string, weights ...int) *Balancer {
	t.Helper()
	return balanceIn(t, idlePools(), algorithm, weights...)
}

func balanceIn(t *testing.T, p *Pools, algorithm string, weights ...int) *Balancer {
	t.Helper()
	var targets []entity.Target
	for i, w := range weights {
		targets = append(targets, entity.Target{Target: name(i), Weight: w})
	}
	return balanceOver(t, p, entity.Upstream{Algorithm: algorithm, HashOn: "ip"}, targets...)
}

// idlePools have no goroutine and no metrics.
func idlePools() *Pools {
	return &Pools{config: Config{EjectAfter: 3, EjectFor: ejectFor}, targets: map[string]*Target{}, budgets: map[string]*budget{}}
}

const ejectFor = 5 * time.Second

func balanceOver(t *testing.T, p *Pools, u entity.Upstream, targets ...entity.Target) *Balancer {
	t.Helper()
	u.ID, u.Name = "u", "up"
	b, err := p.Balancer(&entity.Service{Protocol: "http", Host: "up", Port: 80},
		&Source{Upstreams: map[string]*entity.Upstream{"up": &u}, Targets: map[string][]entity.Target{"u": targets}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pick is the target that the next request gets.
func pick(b *Balancer, hash uint64, tried map[*Target]bool) *Target {
	t, _ := b.choose(time.Now(), hash, tried)
	return t
}

func name(i int) string { return string(rune('a'+i)) + ":80" }

func TestRoundRobinGoesByWeight(t *testing.T) {
	for _, c := range []struct {
		name    string
		weights []int
		want    string
	}{
		{name: "equal weights take turns", weights: []int{100, 100, 100}, want: "abcabcabc"},
		{name: "a heavier one comes more often, but not in a row", weights: []int{50, 10, 10}, want: "aabacaaaabacaa"},
		{name: "weight 0 takes a target out", weights: []int{100, 0, 100}, want: "acacac"},
		{name: "one target takes all", weights: []int{7}, want: "aaa"},
	} {
		b := balance(t, "round-robin", c.weights...)
		b.next.Store(uint64(len(b.ring.Load().turns)) - 1) // the next is the first
		got := ""
		for range c.want {
			got += pick(b, 0, nil).Address[:1]
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWeightsWithoutACommonDivisorStayClose(t *testing.T) {
	b := balance(t, "round-robin", 997, 991, 13)
	count := map[string]int{}
	for range 10 * mostTurns {
		count[pick(b, 0, nil).Address]++
	}
	for i, weight := range []int{997, 991, 13} {
		share := float64(weight) / (997 + 991 + 13)
		if got := float64(count[name(i)]) / (10 * mostTurns); got < share-0.002 || got > share+0.002 {
			t.Errorf("%s got %.4f, want %.4f", name(i), got, share)
		}
	}
}

func TestLeastConnectionsGoesToTheIdlest(t *testing.T) {
	b := balance(t, "least-connections", 100, 100, 200)
	b.ring.Load().members[0].target.inflight.Store(3)
	b.ring.Load().members[1].target.inflight.Store(1)
	b.ring.Load().members[2].target.inflight.Store(2) // of twice the weight: 3/200 < 2/100
	if got := pick(b, 0, nil).Address; got != "c:80" {
		t.Errorf("picked %s", got)
	}
	if got := pick(b, 0, map[*Target]bool{b.ring.Load().members[2].target: true}).Address; got != "b:80" {
		t.Errorf("after c was tried: %s", got)
	}
}

func TestHashingMovesOnlyWhatItMust(t *testing.T) {
	const keys = 10000
	before, after := balance(t, "consistent-hashing", 100, 100, 100, 300), balance(t, "consistent-hashing", 100, 100, 0, 300)
	count, moved := map[string]int{}, 0
	for i := range uint64(keys) {
		h := mix(i + 1)
		was, is := pick(before, h, nil).Address, pick(after, h, nil).Address
		count[was]++
		if again := pick(before, h, nil).Address; again != was {
			t.Fatalf("the same hash went to %s and %s", was, again)
		}
		if was != is && was != "c:80" {
			moved++
		}
	}
	if moved > 0 {
		t.Errorf("%d requests moved though their target was still there", moved)
	}
	for i, want := range []float64{1. / 6, 1. / 6, 1. / 6, 3. / 6} {
		if got := float64(count[name(i)]) / keys; got < want-0.03 || got > want+0.03 {
			t.Errorf("%s got %.3f of the requests, want %.3f", name(i), got, want)
		}
	}
}

func TestHashingIsTheSameInEveryReplica(t *testing.T) {
	// Fixed: another process must come to the same.
	b := balance(t, "consistent-hashing", 100, 100, 100)
	got := ""
	for h := range uint64(12) {
		got += pick(b, h*0x9e3779b97f4a7c15, nil).Address[:1]
	}
	if want := "acbbbbcccbbc"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAnUnreachableTargetIsLeftAloneForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balance(t, "round-robin", 100, 100)
		dead := b.ring.Load().members[0].target
		picks := func() (n int) {
			for range 10 {
				if pick(b, 0, nil) == dead {
					n++
				}
			}
			return n
		}
		dead.failed(failTCP, asUsual)
		dead.failed(failTCP, asUsual)
		dead.succeeded(200, asUsual)
		dead.failed(failTCP, asUsual)
		dead.failed(failTCP, asUsual)
		if n := picks(); n != 5 {
			t.Errorf("two failures in a row took it out: %d of 10", n)
		}
		dead.failed(failTCP, asUsual)
		if n := picks(); n != 0 {
			t.Errorf("three failures in a row: still picked %d times of 10", n)
		}
		b.ring.Load().members[1].target.until.Store(time.Now().Add(time.Hour).UnixNano())
		if n := picks(); n == 0 {
			t.Error("with no other target, none was picked")
		}
		b.ring.Load().members[1].target.until.Store(0)
		time.Sleep(ejectFor)
		if n := picks(); n != 1 {
			t.Errorf("after %v it was tried %d times at once, want 1", ejectFor, n)
		}
		dead.failed(failTCP, asTrial)
		time.Sleep(ejectFor)
		if n := picks(); n != 0 {
			t.Errorf("after a failed trial it was ejected for no longer than before: %d", n)
		}
		time.Sleep(ejectFor)
		if n := picks(); n != 1 {
			t.Errorf("the second trial never came: %d", n)
		}
		dead.succeeded(200, asTrial)
		if n := picks(); n != 5 {
			t.Errorf("after a good trial it was picked %d times of 10", n)
		}
	})
}

func TestAnUpstreamWithoutTargetsHasNone(t *testing.T) {
	p := NewPools(Config{}, nil)
	defer p.Close()
	b := balanceIn(t, p, "round-robin", 0)
	if got := pick(b, 0, nil); got != nil {
		t.Errorf("picked %s", got.Address)
	}
	if err := p.Do(newCall(b)); !errors.Is(err, ErrNoTarget) {
		t.Errorf("got %v", err)
	}
}

func TestStateOutlivesAConfiguration(t *testing.T) {
	p := NewPools(Config{Keepalive: 4}, nil)
	defer p.Close()
	first := balanceIn(t, p, "round-robin", 100, 100)
	first.ring.Load().members[0].target.failed(failTCP, asUsual)
	second := balanceIn(t, p, "least-connections", 50, 100, 100)
	p.Keep([]*Balancer{second})
	if second.ring.Load().members[0].target != first.ring.Load().members[0].target {
		t.Error("the same target was made anew")
	}
	third := balanceIn(t, p, "round-robin", 0, 100)
	p.Keep([]*Balancer{third})
	if n := len(p.targets); n != 1 {
		t.Errorf("%d targets are kept, want 1", n)
	}
}

func TestUnknownAlgorithmsAreRefused(t *testing.T) {
	_, err := idlePools().Balancer(&entity.Service{Host: "up"},
		&Source{Upstreams: map[string]*entity.Upstream{"up": {ID: "u", Name: "up", Algorithm: "dice"}}})
	if want := `upstream up: unknown algorithm "dice"`; fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
