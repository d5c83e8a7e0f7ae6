package standin

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// clockTick is how often time passes for keys that expire: miniredis has a
// clock of its own that must be advanced.
const clockTick = 50 * time.Millisecond

// Redis serves an in-memory Redis at listen (host:port) until the context ends.
func Redis(ctx context.Context, listen string) error {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr(listen); err != nil {
		return fmt.Errorf("listen on %s: %w", listen, err)
	}
	defer m.Close()
	tick := time.NewTicker(clockTick)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			m.FastForward(now.Sub(last))
			last = now
		}
	}
}
