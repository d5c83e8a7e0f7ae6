package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"
)

// lookup asks the database which revision is the newest, and brings the
// snapshot up to it before the request continues: what the Admin API has
// acknowledged holds for every later request on every replica. A revision that
// cannot be applied is tried once: until a newer one repairs it, the snapshot in
// use stays, as it does where configuration is pushed.
func (p *Proxy) lookup(v *visit, s *snapshot) (*snapshot, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), p.config.LookupTimeout)
	defer cancel()
	revision, err := p.config.Revisions.Revision(ctx)
	if err == nil && revision > s.revision && revision > p.broken.Load() {
		// Simultaneous requests share one refresh. It may have begun before
		// this request's revision was committed, so the result is checked.
		for range 2 {
			_, err, _ = p.refresh.Do("", func() (any, error) { return nil, p.config.Revisions.Refresh(ctx) })
			err = p.passApplyError(err)
			if s = p.snapshot.Load(); err != nil || max(s.revision, p.broken.Load()) >= revision {
				break
			}
		}
		if err == nil && max(s.revision, p.broken.Load()) < revision {
			err = fmt.Errorf("revision %d was not reached", revision)
		}
	}
	if err == nil {
		return s, true
	}
	v.record.failure = fmt.Errorf("look up the configuration: %w", err)
	v.Ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
	message := "the configuration database cannot be asked"
	if errors.Is(err, ErrBusy) {
		message = "the configuration database is busy"
	}
	v.response.reply(fasthttp.StatusServiceUnavailable, message)
	return nil, false
}

// passApplyError logs an *ApplyError, once for each revision, and returns any
// other error.
func (p *Proxy) passApplyError(err error) error {
	var failed *ApplyError
	if !errors.As(err, &failed) {
		return err
	}
	if had := p.told.Load(); had < failed.Revision && p.told.CompareAndSwap(had, failed.Revision) {
		p.log.Error("configuration rejected; keeping the previous revision", "error", err)
	}
	return nil
}
