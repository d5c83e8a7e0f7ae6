package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// RemoteConfig says where a run is written to.
type RemoteConfig struct {
	URL       string        // such as http://127.0.0.1:9090/api/v1/write
	Token     string        // sent as a bearer token; empty: none
	Timeout   time.Duration // of one request; 0: 10 s
	UserAgent string
}

// Validate refuses what is no address of a receiver.
func (c RemoteConfig) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return errors.New("remote-write: the URL cannot be read: want http://host:port/path") // the error would show a password
	case u.User != nil:
		return errors.New("remote-write: the URL holds a user or a password, which others see: want a token in $REMOTE_WRITE_TOKEN")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("remote-write: %q is not allowed: want http://host:port/path, such as http://127.0.0.1:9090/api/v1/write", c.URL)
	}
	return nil
}

// Bounds of a remote write.
const (
	mostSamples = 5000 // of one request
	mostTries   = 4
	errorBytes  = 500 // of an answer that are shown
)

// RemoteWrite sends a run's series to a Prometheus or what receives like one (remote write 1.0). A receiver that is busy is asked again.
func RemoteWrite(ctx context.Context, c RemoteConfig, r *result.Result) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	series := timeSeries(r)
	for batch := range batches(series) {
		b, err := (&prompb.WriteRequest{Timeseries: batch}).Marshal()
		if err != nil {
			return fmt.Errorf("remote-write: %w", err)
		}
		body := snappy.Encode(nil, b)
		send := func() (struct{}, error) { return struct{}{}, c.send(ctx, body) }
		if _, err := backoff.Retry(ctx, send, backoff.WithMaxTries(mostTries)); err != nil {
			return fmt.Errorf("remote-write: %w", err)
		}
	}
	return nil
}

// timeSeries are a run's families as series with their samples in order of time.
func timeSeries(r *result.Result) []prompb.TimeSeries {
	var out []prompb.TimeSeries
	for _, f := range Families(r) {
		before := ""
		for i, m := range f.Metric {
			if now := key(m); i == 0 || now != before {
				all := []prompb.Label{{Name: "__name__", Value: f.GetName()}}
				for _, l := range m.Label {
					all = append(all, prompb.Label{Name: l.GetName(), Value: l.GetValue()})
				}
				out, before = append(out, prompb.TimeSeries{Labels: all}), now
			}
			last := &out[len(out)-1]
			last.Samples = append(last.Samples, prompb.Sample{Value: m.GetGauge().GetValue(), Timestamp: m.GetTimestampMs()})
		}
	}
	return out
}

// batches are series in requests of a bounded number of samples; a series that has more is a request of its own.
func batches(all []prompb.TimeSeries) func(yield func([]prompb.TimeSeries) bool) {
	return func(yield func([]prompb.TimeSeries) bool) {
		from, n := 0, 0
		for i := range all {
			if n > 0 && n+len(all[i].Samples) > mostSamples {
				if !yield(all[from:i]) {
					return
				}
				from, n = i, 0
			}
			n += len(all[i].Samples)
		}
		if from < len(all) {
			yield(all[from:])
		}
	}
}

// send sends one request. What another try cannot help is permanent.
func (c RemoteConfig) send(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(err)
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	req.Header.Set("User-Agent", c.UserAgent)
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 == 2 {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(res.Body, errorBytes))
	err = fmt.Errorf("%s answers %s: %s%s", c.URL, res.Status, strings.TrimSpace(string(said)), remedy(res.StatusCode))
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 {
		return err
	}
	return backoff.Permanent(err)
}

// remedy says what to do about an answer.
func remedy(status int) string {
	switch status {
	case http.StatusNotFound:
		return ": a Prometheus receives at /api/v1/write if it was started with --web.enable-remote-write-receiver"
	case http.StatusBadRequest:
		return ": a Prometheus takes a run once, and no samples older than about an hour, unless tsdb.out_of_order_time_window allows it; " +
			"harness export --format openmetrics and promtool tsdb create-blocks-from openmetrics take any"
	case http.StatusUnauthorized, http.StatusForbidden:
		return ": set $REMOTE_WRITE_TOKEN"
	}
	return ""
}
