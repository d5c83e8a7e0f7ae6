package origin

import (
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// illnessPath takes GET, PUT with an Illness as JSON, and DELETE.
const illnessPath = "/illness"

// Illness is how the API misbehaves for a share of its requests, until it is
// taken away. At least one of Status, Delay and Truncate is set.
type Illness struct {
	Share    float64 `json:"share"`    // of the requests, above 0, to 1
	Status   int     `json:"status"`   // answered in place of the true one: 429 or 500 to 599; 0: none
	DelayMS  int     `json:"delay_ms"` // waited before anything else
	Truncate bool    `json:"truncate"` // the connection ends in the middle of the body
}

func (i Illness) validate() error {
	switch {
	case !(i.Share > 0 && i.Share <= 1):
		return fmt.Errorf("share: %v is not allowed: want above 0, to 1", i.Share)
	case i.Status != 0 && i.Status != 429 && (i.Status < 500 || i.Status > 599):
		return fmt.Errorf("status: %d is not allowed: want 429 or 500 to 599", i.Status)
	case i.DelayMS < 0 || i.DelayMS > 60_000:
		return fmt.Errorf("delay_ms: %d is not allowed: want 0 to 60000", i.DelayMS)
	case i.Status == 0 && i.DelayMS == 0 && !i.Truncate:
		return fmt.Errorf("status, delay_ms, truncate: none is set: want one of them")
	}
	return nil
}

// serveIllness is the admin endpoint.
func (o *Origin) serveIllness(ctx *fasthttp.RequestCtx) {
	switch string(ctx.Method()) {
	case fasthttp.MethodGet:
	case fasthttp.MethodDelete:
		o.ill.Store(nil)
	case fasthttp.MethodPut:
		var i Illness
		if err := json.Unmarshal(ctx.PostBody(), &i); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadRequest)
			return
		}
		if err := i.validate(); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadRequest)
			return
		}
		o.ill.Store(&i)
	default:
		ctx.Response.Header.Set("Allow", "GET, PUT, DELETE")
		ctx.SetStatusCode(fasthttp.StatusMethodNotAllowed)
		return
	}
	now := o.ill.Load()
	if now == nil {
		now = &Illness{}
	}
	b, err := json.Marshal(now)
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(b)
}

// suffer disturbs a request where the illness has it so; true when it was
// answered.
func (o *Origin) suffer(ctx *fasthttp.RequestCtx) bool {
	i := o.ill.Load()
	if i == nil || o.counts.fall(i.Share) {
		return false
	}
	if !o.wait(time.Duration(i.DelayMS) * time.Millisecond) {
		return false // shutting down; the handler says so
	}
	switch {
	case i.Status != 0:
		if i.Status == fasthttp.StatusTooManyRequests {
			ctx.Response.Header.Set("Retry-After", "1")
		}
		o.fail(ctx, other, i.Status, "ill")
		return true
	case i.Truncate:
		body := o.modelBody(1)
		o.counts.add(other, fasthttp.StatusOK, len(body)/2)
		// The server itself would not send a head without the whole body.
		ctx.HijackSetNoResponse(true)
		ctx.Hijack(func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
				BodyHeader, hash(body), len(body), body[:len(body)/2])
		})
		return true
	}
	return false
}

// fall spreads a share evenly over the requests: true for one that stays well.
func (c *counts) fall(share float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credit += share
	if c.credit < 1 {
		return true
	}
	c.credit--
	c.ill++
	return false
}
