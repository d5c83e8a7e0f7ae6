package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client drives a worker.
type Client struct {
	base string
	http *http.Client
}

// NewClient drives the worker at base, e.g. http://127.0.0.1:7000.
func NewClient(base string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second},
	}}
}

// Close ends the client's idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// WorkerError is the error response of a worker.
type WorkerError struct {
	Status  int
	Message string
}

func (e *WorkerError) Error() string { return fmt.Sprintf("worker: %s (%d)", e.Message, e.Status) }

// callTime bounds one call; none of them waits for an attack.
const callTime = 30 * time.Second

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("worker: %w", err)
		}
		body = bytes.NewReader(b)
	}
	q, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	res, err := c.http.Do(q)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		var said struct{ Message string }
		b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		if json.Unmarshal(b, &said) != nil || said.Message == "" {
			said.Message = strings.TrimSpace(string(b))
		}
		return &WorkerError{Status: res.StatusCode, Message: said.Message}
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("worker: %s %s: %w", method, path, err)
	}
	return nil
}

func attackPath(id string) string { return "/attacks/" + url.PathEscape(id) }

// Start begins an attack.
func (c *Client) Start(ctx context.Context, a Attack) (Progress, error) {
	var p Progress
	err := c.call(ctx, http.MethodPost, "/attacks", a, &p)
	return p, err
}

// Progress is an attack under way, with the whole series.
func (c *Client) Progress(ctx context.Context, id string) (Progress, error) {
	var p Progress
	err := c.call(ctx, http.MethodGet, attackPath(id), nil, &p)
	return p, err
}

// Result is the result of an attack that is over.
func (c *Client) Result(ctx context.Context, id string) (*Result, error) {
	var r Result
	if err := c.call(ctx, http.MethodGet, attackPath(id)+"/result", nil, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// Stop ends an attack before its time. There is a result of what was measured.
func (c *Client) Stop(ctx context.Context, id string) (Progress, error) {
	var p Progress
	err := c.call(ctx, http.MethodDelete, attackPath(id), nil, &p)
	return p, err
}

// Of Run.
const (
	pollEvery = 100 * time.Millisecond
	pollLast  = 20 * time.Millisecond // when it should be over
	// A long attack is polled less often, as each poll costs the worker a request:
	// every hundredth of its length, except near its beginning and end, which
	// callers wait for.
	pollSeldom = time.Second
	pollPart   = 100
	fewSeconds = 3
	// maxMisses is how many polls in a row may fail: a worker on a busy machine may
	// be late.
	maxMisses = 5
	stopTime  = 5 * time.Second
)

// recent is progress with only the last seconds of the series: all of it, ten times
// per second, would cost the worker more than an attack of an hour does.
func (c *Client) recent(ctx context.Context, last Progress) (Progress, error) {
	path := attackPath(last.ID)
	if n := len(last.Series); n > 0 {
		path += fmt.Sprintf("?from=%d", last.Series[n-1].Offset-fewSeconds)
	}
	var p Progress
	err := c.call(ctx, http.MethodGet, path, nil, &p)
	return p, err
}

// Run runs an attack and waits for its result. onProgress, which may be
// nil, is called ten times per second with the last seconds of the series (less
// often if the attack takes minutes), and once more when the attack is over.
// When ctx ends the attack is stopped, and the error is ctx's.
func (c *Client) Run(ctx context.Context, a Attack, onProgress func(Progress)) (*Result, error) {
	if onProgress == nil {
		onProgress = func(Progress) {}
	}
	p, err := c.Start(ctx, a)
	if err != nil {
		return nil, err
	}
	return c.follow(ctx, p, onProgress)
}

// abandon stops an attack for whose result nobody waits any more.
func (c *Client) abandon(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	_, _ = c.Stop(ctx, id) // why it is abandoned is the error to tell
}

// follow waits for the result of an attack that has begun.
func (c *Client) follow(ctx context.Context, p Progress, onProgress func(Progress)) (*Result, error) {
	id := p.ID
	defer func() {
		if !p.Ended() {
			c.abandon(ctx, id)
		}
	}()
	for misses := 0; ; {
		onProgress(p)
		if p.Ended() {
			return c.Result(ctx, id)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(max(pollAfter(p), time.Duration(min(misses, 1))*pollEvery)):
		}
		next, err := c.recent(ctx, p)
		var refused *WorkerError
		switch {
		case err == nil:
			p, misses = next, 0
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, &refused):
			return nil, err
		default:
			if misses++; misses >= maxMisses {
				return nil, err
			}
		}
	}
}

// pollAfter is the time until the next poll.
func pollAfter(p Progress) time.Duration {
	seldom := min(max(p.Total/pollPart, pollEvery), pollSeldom)
	switch left := p.Total - p.Elapsed; {
	case p.State == Draining:
		return pollLast
	case left < pollEvery: // short attacks, one after another, wait for this look
		return max(left+pollLast/2, pollLast)
	case p.State != Running || left <= 2*seldom:
		return pollEvery
	}
	return seldom
}
