package otlp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// sendWithin bounds one export.
const sendWithin = 5 * time.Second

// Send exports spans of a service to a receiver's URL. No span: nothing is sent.
func Send(ctx context.Context, url, service string, spans []Span) error {
	if len(spans) == 0 {
		return nil
	}
	body, err := Encode(service, spans)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	req.Close = true // exports are rare, and a sender may end at any time
	req.Header.Set("Content-Type", ContentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // for the message, and so that the connection can be used again
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("send spans: %s answered %d: %s", url, res.StatusCode, strings.TrimSpace(string(said)))
	}
	return nil
}
