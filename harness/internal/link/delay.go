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
//
// A TCP proxy cannot lose a packet, but it can do what a loss does to the bytes
// of a connection: the chunk that is lost comes a retransmission time-out later,
// and all that follow it wait for it.
type Delay struct {
	Latency int64   `json:"latency_us"`
	Jitter  int64   `json:"jitter_us"` // plus or minus, uniform
	Loss    float64 `json:"loss"`      // share of the chunks that are lost once
}

// resend is what Linux adds to the measured round trip before it sends a lost
// packet again (TCP_RTO_MIN), on a connection with too little in flight for
// acknowledgements to tell of the loss earlier.
const resend = 200 * time.Millisecond

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
	wait := time.Duration(us) * time.Microsecond
	if d.Loss > 0 && rand.Float64() < d.Loss {
		wait += 2*time.Duration(d.Latency)*time.Microsecond + resend
	}
	return wait
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
