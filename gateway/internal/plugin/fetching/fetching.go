// Package fetching is how plugins ask HTTP servers that the configuration names for
// small documents: it follows no redirects, and bounds time and size.
package fetching

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// MaxBytes is the longest document.
const MaxBytes = 512 << 10

// Client fetches documents. It is safe for concurrent use.
type Client struct {
	http    *http.Client
	timeout time.Duration
}

// errRedirect says that a server points elsewhere: where that is, the configuration
// does not say.
var errRedirect = errors.New("it redirects: name the address that it redirects to")

// New makes a client whose requests take at most timeout each.
func New(timeout time.Duration) *Client {
	return &Client{timeout: timeout, http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
		Transport: &http.Transport{ // no proxy of the environment: it would be another address
			DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: timeout, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 2,
			MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
	}}
}

// Close closes the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get fetches a document.
func (c *Client) Get(ctx context.Context, address string) ([]byte, error) {
	return c.send(ctx, http.MethodGet, address, nil, nil)
}

// Post sends a form with a name and a password, "" for none, and returns the answer.
func (c *Client) Post(ctx context.Context, address string, form url.Values, name, password string) ([]byte, error) {
	return c.send(ctx, http.MethodPost, address, strings.NewReader(form.Encode()), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if name != "" {
			r.SetBasicAuth(url.QueryEscape(name), url.QueryEscape(password)) // RFC 6749, 2.3.1
		}
	})
}

func (c *Client) send(ctx context.Context, method, address string, body io.Reader, edit func(*http.Request)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("the address is no URL") // it may have a password
	}
	req.Header.Set("Accept", "application/json")
	if edit != nil {
		edit(req)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		return nil, fmt.Errorf("ask %s: %w", req.URL.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d: want 200", req.URL.Host, res.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, MaxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer of %s: %w", req.URL.Host, err)
	case len(raw) > MaxBytes:
		return nil, fmt.Errorf("%s answered more than %d KiB", req.URL.Host, MaxBytes>>10)
	}
	return raw, nil
}
