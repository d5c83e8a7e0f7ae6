package posting

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Code is a status of gRPC.
type Code int

// The codes that callers tell apart.
const (
	Canceled          Code = 1
	Unknown           Code = 2
	DeadlineExceeded  Code = 4
	PermissionDenied  Code = 7
	ResourceExhausted Code = 8
	Aborted           Code = 10
	OutOfRange        Code = 11
	Unimplemented     Code = 12
	Internal          Code = 13
	Unavailable       Code = 14
	DataLoss          Code = 15
	Unauthenticated   Code = 16
)

// StatusError is what a server of gRPC has answered instead of a message.
type StatusError struct {
	Host    string
	Code    Code
	Message string
	Details []byte // of grpc-status-details-bin, still in base64
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s answered with gRPC status %d: %.200q", e.Host, e.Code, e.Message)
}

// GRPC calls one unary method of gRPC. Only one goroutine uses it.
type GRPC struct {
	client *Client
	url    string
}

const (
	prefixBytes = 5 // a flag and a length before each message
	// pingAfter is how long a connection may be silent within a call before it is
	// tested, and pingWithin how long it has to answer: without that, calls would go
	// to one that leads nowhere until the system gives it up.
	pingAfter  = 10 * time.Second
	pingWithin = 5 * time.Second
)

// NewGRPC makes a client of method ("/package.Service/Method"), which connects to
// nothing yet: in clear text to a URL of http, which the server must expect, and by
// TLS to one of https. Paths of the URL mean nothing.
func NewGRPC(c Config, method string) (*GRPC, error) {
	client, err := New(c)
	if err != nil {
		return nil, err
	}
	var codecs http.Protocols
	codecs.SetHTTP2(true)
	codecs.SetUnencryptedHTTP2(true)
	client.transport.Protocols = &codecs
	client.transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWithin}
	client.transport.DisableCompression = true
	to := url.URL{Scheme: client.url.Scheme, Host: client.url.Host, Path: method}
	return &GRPC{client: client, url: to.String()}, nil
}

// Call sends a message, and returns the server's. What the server refuses is a
// *StatusError.
func (g *GRPC) Call(ctx context.Context, message []byte) (answer []byte, err error) {
	c := g.client
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	frame := make([]byte, prefixBytes, prefixBytes+len(message))
	binary.BigEndian.PutUint32(frame[1:], uint32(len(message))) //nolint:gosec // queues hold less than 4 GiB
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(append(frame, message...)))
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", c.url.Host, err)
	}
	c.setFields(req)
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	req.Header.Set("Grpc-Timeout", strconv.FormatInt(max(c.config.Timeout.Milliseconds(), 1), 10)+"m")
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", c.url.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if refusal := c.status(res); refusal != nil {
		return nil, refusal
	}
	if err != nil {
		return nil, fmt.Errorf("the answer of %s: %w", c.url.Host, err)
	}
	return c.message(body)
}

// Close closes the connection that is kept.
func (g *GRPC) Close() { g.client.Close() }

// message is the one that an answer consists of. Nothing has asked for it to be
// compressed.
func (c *Client) message(body []byte) ([]byte, error) {
	if len(body) < prefixBytes || body[0] != 0 || int64(binary.BigEndian.Uint32(body[1:])) != int64(len(body)-prefixBytes) {
		return nil, fmt.Errorf("the answer of %s is not one message of gRPC", c.url.Host)
	}
	return body[prefixBytes:], nil
}

// status is the refusal that an answer, whose body has been read, is; nil if it is none.
func (c *Client) status(res *http.Response) error {
	e := &StatusError{Host: c.url.Host}
	fields := res.Trailer
	if fields.Get("Grpc-Status") == "" {
		fields = res.Header // of an answer without a message
	}
	text := fields.Get("Grpc-Status")
	if text == "" {
		if res.StatusCode == http.StatusOK {
			return nil // its stream has broken off, or it is none of gRPC: message finds out
		}
		e.Code, e.Message = ofHTTP(res.StatusCode), res.Status
		return e
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		n = int(Unknown)
	}
	if n == 0 {
		return nil
	}
	e.Code, e.Message = Code(n), fields.Get("Grpc-Message")
	e.Details = []byte(fields.Get("Grpc-Status-Details-Bin"))
	if plain, err := url.PathUnescape(e.Message); err == nil {
		e.Message = plain
	}
	return e
}

// ofHTTP is the code of an answer that has none, as gRPC's document on statuses of
// HTTP has it.
func ofHTTP(status int) Code {
	switch status {
	case http.StatusBadRequest:
		return Internal
	case http.StatusUnauthorized:
		return Unauthenticated
	case http.StatusForbidden:
		return PermissionDenied
	case http.StatusNotFound:
		return Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Unavailable
	}
	return Unknown
}
