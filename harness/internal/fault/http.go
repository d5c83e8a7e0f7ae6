package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// notFound is a response with status 404.
type notFound struct{ error }

var client = &http.Client{Timeout: 10 * time.Second}

// callJSON sends body as JSON and decodes the response into out; either may be
// nil. A 404 is a notFound, any status from 300 on an error.
func callJSON(ctx context.Context, method, url string, body, out any) error {
	var in io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	response, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20)) // for the message, or decoded below
	switch {
	case res.StatusCode == http.StatusNotFound:
		return notFound{fmt.Errorf("%s %s: not found: %s", method, url, bytes.TrimSpace(response))}
	case res.StatusCode >= 300:
		return fmt.Errorf("%s %s: status %d: %s", method, url, res.StatusCode, bytes.TrimSpace(response))
	case out == nil:
		return nil
	}
	return json.Unmarshal(response, out)
}
