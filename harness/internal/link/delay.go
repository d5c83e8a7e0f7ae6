package link

import (
	"math/rand/v2"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"
)

// delayToxic is the name of Delay in the admin API.
const delayToxic = "gatelab_delay"

// Delay is toxiproxy's latency toxic in microseconds: whole milliseconds cannot
// say that Postgres is 2.5 ms away. Chunks keep their order and are delayed
// from when they arrived, so that many in flight take no longer than one.
type Delay struct {
	Latency int64 `json:"latency_us"`
	Jitter  int64 `json:"jitter_us"` // plus or minus, uniform
}

var (
	_ toxics.Toxic         = (*Delay)(nil)
	_ toxics.BufferedToxic = (*Delay)(nil)
)

// GetBufferSize is how many chunks may be under way.
func (d *Delay) GetBufferSize() int { return 1024 }

func (d *Delay) wait() time.Duration {
	us := d.Latency
	if d.Jitter > 0 {
		us += rand.Int64N(2*d.Jitter+1) - d.Jitter
	}
	return time.Duration(us) * time.Microsecond
}

// Pipe passes chunks on, each when its delay is over.
func (d *Delay) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			select {
			case <-time.After(d.wait() - time.Since(c.Timestamp)):
				stub.Output <- c
			case <-stub.Interrupt:
				stub.Output <- c // the toxic is being replaced: no chunk may be lost
				return
			}
		}
	}
}
