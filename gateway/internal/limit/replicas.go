package limit

import (
	_ "embed" // the script
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed beat.lua
var beatSource string

const (
	beatEvery   = 2 * time.Second
	beatGoodFor = 10 * time.Second
	replicasKey = "gatelab:limit:replicas"
)

var beatScript = redis.NewScript(beatSource)

// beat tells Redis that this replica lives, or that it ends, and learns how many
// do. Without an answer the number of before is kept.
func (b *batcher) beat(lives bool) {
	b.beaten = true
	says := "0"
	if lives {
		says = "1"
	}
	c := &call{keys: []string{replicasKey}, args: []any{b.l.id, beatGoodFor.Milliseconds(), says}}
	if b.run(beatScript, []*call{c}) != nil {
		b.heardOf(false)
		return
	}
	b.heardOf(true)
	reply := ints{rest: c.reply}
	if n := reply.next(); reply.err == nil {
		b.replicas.Store(max(1, n))
		b.settleDebts()
	}
}

// review gives back what the leases hold and their keys do not need.
func (b *batcher) review() {
	now := b.l.now()
	kept := b.held[:0]
	for _, e := range b.held {
		e.mu.Lock()
		b.refund(e.turn(b.clock(e, now)))
		l := e.lease
		if l.left > 0 && now-l.reviewed >= e.rule.leases.hold {
			if n := l.surplus(); n > 0 {
				b.refund(e.giveBack(n))
			}
			l.used, l.reviewed = 0, now
		}
		if e.dead && l.left > 0 { // dropped while Redis was asked
			b.refund(e.giveBack(l.left))
		}
		if l.left == 0 {
			l.held = false
		} else {
			kept = append(kept, e)
		}
		e.mu.Unlock()
	}
	clear(b.held[len(kept):])
	b.held = kept
}
