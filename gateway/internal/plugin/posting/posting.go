// Package posting is how logging and tracing plugins send what they have queued
// to a server of HTTP or gRPC.
package posting

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Config says where to, and how.
type Config struct {
	URL, Method, ContentType string
	Headers                  map[string]string
	Connect                  time.Duration // 0: Timeout
	Timeout                  time.Duration // of the whole
	Keepalive                time.Duration // of an idle connection; 0: none is kept
}

// Millis is a time-out of a configuration.
func Millis(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

// Headers is the schema of the header fields that an administrator adds.
func Headers() entity.Field {
	return entity.Field{
		Name: "headers", Kind: entity.Map, Keys: &entity.Field{Kind: entity.String, Match: "header"},
		Elements: &entity.Field{Kind: entity.String, Referenceable: true},
	}
}

// Client sends to one URL. Only one goroutine uses it.
type Client struct {
	config    Config
	url       *url.URL
	transport *http.Transport
}

// New makes a client, which connects to nothing yet.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the endpoint is no URL with a host") // it may have a password, or be one from a vault
	}
	if c.Connect == 0 {
		c.Connect = c.Timeout
	}
	return &Client{config: c, url: u, transport: &http.Transport{
		DialContext:       (&net.Dialer{Timeout: c.Connect}).DialContext,
		DisableKeepAlives: c.Keepalive == 0, IdleConnTimeout: c.Keepalive, MaxIdleConnsPerHost: 1,
		// As in Kong: collectors have certificates of their own making.
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, //nolint:gosec // see above
	}}, nil
}

// maxAnswer is how much of an answer is read, so that its connection can be kept.
const maxAnswer = 64 << 10

// Send sends a body. A status of 400 or more is an error.
func (c *Client) Send(ctx context.Context, body []byte) error {
	_, err := c.Ask(ctx, body)
	return err
}

// Ask is Send, and returns the answer to what has been accepted: nil if it is of another
// media type than the body, or has broken off.
func (c *Client) Ask(ctx context.Context, body []byte) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.config.Method, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", c.url.Host, err)
	}
	c.setFields(req)
	req.Header.Set("Content-Type", c.config.ContentType)
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", c.url.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s answered %d: %.200q", c.url.Host, res.StatusCode, answer)
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || kind != c.config.ContentType {
		return nil, nil
	}
	return answer, nil
}

// setFields sets the fields that an administrator adds, and the credentials of the URL.
func (c *Client) setFields(req *http.Request) {
	for name, value := range c.config.Headers {
		req.Header.Set(name, value)
	}
	if u := c.url.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
}

// Close closes the connection that is kept.
func (c *Client) Close() { c.transport.CloseIdleConnections() }
