// Package jsonhttp is the harness's client for small JSON APIs: Admin APIs, origins, links, workers. It knows how a request is made,
// bounded, and its failure put into words.
package jsonhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Within is the time limit of a call whose context has no earlier deadline.
const Within = 10 * time.Second

// largest is the largest answer that is read, in bytes.
const largest = 64 << 20

// StatusError is an answer with a status of 300 or above.
type StatusError struct {
	Method, URL string
	Status      int
	Text        string // the beginning of the body
}

func (e *StatusError) Error() string {
	out := fmt.Sprintf("%s %s: status %d", e.Method, e.URL, e.Status)
	if e.Text != "" {
		out += ": " + e.Text
	}
	return out
}

// StatusOf is the status of a StatusError; 0 for any other error.
func StatusOf(err error) int {
	var e *StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Get decodes the answer to a GET into out, which may be nil.
func Get(ctx context.Context, url string, out any) error {
	return Do(ctx, http.DefaultClient, http.MethodGet, url, nil, out)
}

// Send sends in, which may be nil, as JSON; the answer is decoded into out, which may be nil.
func Send(ctx context.Context, method, url string, in, out any) error {
	return Do(ctx, http.DefaultClient, method, url, in, out)
}

// Do is Send with a client. The error names method and URL; a status of 300 or above is a *StatusError.
func Do(ctx context.Context, client *http.Client, method, url string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, url, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := client.Do(req)
	if err != nil {
		return err // names method and URL
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // only for the message
		return &StatusError{Method: method, URL: url, Status: res.StatusCode, Text: string(bytes.TrimSpace(text))}
	}
	answer := io.LimitReader(res.Body, largest)
	if out == nil {
		_, err = io.Copy(io.Discard, answer) // so that the connection can be used again
		return err
	}
	if err := json.NewDecoder(answer).Decode(out); err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	return nil
}
