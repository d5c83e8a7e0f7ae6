package grafana

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"
)

// Config says which Grafana, and as whom.
type Config struct {
	URL   string // http or https, with the path under which Grafana is served
	Token string // of a service account
	// Timeout bounds each request; 0 is 10 s.
	Timeout time.Duration
}

// requestTimeout is long enough for a Grafana on a busy machine.
const requestTimeout = 10 * time.Second

// shown is a URL as errors may have it: one with an @ may hold a password, in
// whatever pieces it is read.
func shown(url string) string {
	if strings.Contains(url, "@") {
		return "***"
	}
	return url
}

// connect makes a client whose requests end with ctx, and asks whether a
// Grafana answers there.
func connect(ctx context.Context, c Config) (*gapi.Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("grafana url %q: want http://host:port or https://host, with a path if Grafana has one", shown(c.URL))
	}
	if u.User != nil {
		return nil, errors.New("grafana url: holds a password: want a service account's token instead")
	}
	if c.Token == "" {
		return nil, errors.New("grafana token: is empty: make a service account with the role Admin and a token for it")
	}
	if c.Timeout <= 0 {
		c.Timeout = requestTimeout
	}
	client, err := gapi.New(c.URL, gapi.Config{APIKey: c.Token, Client: &http.Client{
		Timeout:   c.Timeout,
		Transport: bound{ctx},
		// The token must not follow to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		return nil, fmt.Errorf("grafana url %q: %w", c.URL, err)
	}
	// /api/health needs no permission; gapi reads any 2xx or 3xx, so the body
	// decides whether it is Grafana that answers.
	h, err := client.Health()
	if err != nil {
		return nil, explain(fmt.Sprintf("%s is not a Grafana that answers", c.URL), err)
	}
	if h.Database != "ok" {
		return nil, fmt.Errorf("%s is a Grafana whose database is %q: want ok", c.URL, h.Database)
	}
	return client, nil
}

// bound ends requests with a context: the client library takes none.
type bound struct{ ctx context.Context }

// RoundTrip implements http.RoundTripper.
func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	undo := context.AfterFunc(b.ctx, func() { cancel(context.Cause(b.ctx)) })
	res, err := http.DefaultTransport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		undo()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	res.Body = &release{res.Body, func() { undo(); cancel(nil) }}
	return res, nil
}

// release frees a request's context when its body was read.
type release struct {
	io.ReadCloser
	free func()
}

// Close implements io.Closer.
func (r *release) Close() error {
	r.free()
	return r.ReadCloser.Close()
}

// statusPattern is how the client library tells a status that is not 404.
var statusPattern = regexp.MustCompile(`^status: (\d+), body: `)

// status is the HTTP status that an error of the client library tells of; 0
// when there was no answer.
func status(err error) int {
	var gone gapi.ErrNotFound
	if errors.As(err, &gone) {
		return http.StatusNotFound
	}
	if m := statusPattern.FindStringSubmatch(err.Error()); m != nil {
		code, _ := strconv.Atoi(m[1])
		return code
	}
	return 0
}

// explain says what a person can do about an error.
func explain(what string, err error) error {
	advice := ""
	switch status(err) {
	case http.StatusUnauthorized:
		advice = "the token is wrong, expired or of another Grafana"
	case http.StatusForbidden:
		advice = "the token's service account may not do this: give it the role Admin (data sources need it), or the permissions folders:*, dashboards:*, datasources:* and annotations:create"
	case http.StatusNotFound:
		advice = "nothing is there: is the path of the URL right?"
	case http.StatusPreconditionFailed:
		advice = "somebody else changed it at this moment, or another dashboard of the folder has its title: look there and repeat"
	case http.StatusConflict:
		advice = "something with that name or uid exists already"
	case 0:
		if strings.Contains(err.Error(), "invalid character") {
			advice = "the answer is not Grafana's: is the URL that of Grafana itself, not of a login page before it?"
		}
	}
	if advice == "" {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %s (%w)", what, advice, err)
}
