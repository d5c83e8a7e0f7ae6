package oauth2

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

const (
	// recheck is how long a token is taken without another look into the database: so
	// long may one be taken that was deleted.
	recheck = 5 * time.Second
	// absence is how long a token that is not there is not looked for again.
	absence = time.Second
	// Bounds on what is remembered: what is beyond is forgotten, and looked up again.
	maxKnown  = 1 << 14
	maxAbsent = 1 << 12
)

// tokenCache remembers tokens that were looked up.
type tokenCache struct {
	mu     sync.RWMutex
	known  map[plugin.TokenKey]*knownToken
	absent map[plugin.TokenKey]time.Time // until when
}

// knownToken is a token, and when the database was last asked for it.
type knownToken struct {
	*entity.OAuth2Token
	checked atomic.Int64 // Unix nanoseconds
}

func newTokenCache() *tokenCache {
	return &tokenCache{known: map[plugin.TokenKey]*knownToken{}, absent: map[plugin.TokenKey]time.Time{}}
}

// find returns what is known of a token. ask says that the database is to be asked:
// of a token that is known already, one caller at a time is told so.
func (c *tokenCache) find(key plugin.TokenKey, now time.Time) (t *entity.OAuth2Token, ask bool) {
	c.mu.RLock()
	k, until := c.known[key], c.absent[key]
	c.mu.RUnlock()
	if k == nil {
		return nil, !now.Before(until)
	}
	checked := k.checked.Load()
	ask = now.UnixNano()-checked >= int64(recheck) && k.checked.CompareAndSwap(checked, now.UnixNano())
	return k.OAuth2Token, ask
}

// keep remembers a token, nil: that there is none.
func (c *tokenCache) keep(key plugin.TokenKey, t *entity.OAuth2Token, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t == nil {
		delete(c.known, key)
		if len(c.absent) >= maxAbsent {
			clear(c.absent)
		}
		c.absent[key] = now.Add(absence)
		return
	}
	delete(c.absent, key)
	if len(c.known) >= maxKnown {
		for other := range c.known { // any one: it is looked up again
			delete(c.known, other)
			break
		}
	}
	k := &knownToken{OAuth2Token: t}
	k.checked.Store(now.UnixNano())
	c.known[key] = k
}

// forget drops a token that was replaced.
func (c *tokenCache) forget(key plugin.TokenKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, key)
}

func (c *tokenCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.known)
	clear(c.absent)
}
