package load

import (
	"context"
	"net/http"
	"time"
)

// Clock is a worker's clock beside this process's.
type Clock struct {
	Ahead     time.Duration // what it shows more than ours
	Uncertain time.Duration // Ahead is right to so much, plus or minus: half of the shortest round trip that was seen
}

// Reading of a clock: of several round trips the shortest counts, in which the answer had the least time to be late.
const (
	clockReadings = 8
	clockMost     = 32 // while the shortest one is long
	clockGood     = 2 * time.Millisecond
)

// Now is a worker's clock, as it answers.
type Now struct {
	UnixNano int64 `json:"unix_nano"`
}

// Clock compares the worker's clock with this process's.
func (c *Client) Clock(ctx context.Context) (Clock, error) {
	var best Clock
	for i := 0; i < clockReadings || (i < clockMost && best.Uncertain > clockGood/2); i++ {
		var theirs Now
		asked := time.Now()
		if err := c.call(ctx, http.MethodGet, "/clock", nil, &theirs); err != nil {
			return Clock{}, err
		}
		trip := time.Since(asked)
		if i > 0 && trip/2 >= best.Uncertain {
			continue
		}
		best = Clock{Ahead: time.Unix(0, theirs.UnixNano).Sub(asked.Add(trip / 2)), Uncertain: trip / 2}
	}
	return best, nil
}
