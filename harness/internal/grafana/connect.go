package grafana

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says which Grafana to use, and with which token.
type Config struct {
	URL   string // http or https, with the path under which Grafana is served
	Token string // of a service account
	// Timeout bounds each request; 0 is 10 s.
	Timeout time.Duration
}

// requestTimeout is long enough for a Grafana on a busy machine.
const requestTimeout = 10 * time.Second

// redacted is a URL for error messages: one with an @ may hold a password, even if it cannot be parsed.
func redacted(url string) string {
	if strings.Contains(url, "@") {
		return "***"
	}
	return url
}

// connect makes an API whose requests end with ctx, and checks that a Grafana answers.
func connect(ctx context.Context, c Config) (*api, error) {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("grafana url %q: want http://host:port or https://host, with a path if Grafana has one", redacted(c.URL))
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
	a, err := newAPI(c.URL, c.Token, &http.Client{
		Timeout:   c.Timeout,
		Transport: boundTransport{ctx},
		// The token must not be sent to another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	if err != nil {
		return nil, fmt.Errorf("grafana url %q: %w", c.URL, err)
	}
	// A redirection is no error to the client library, so the body decides whether it is Grafana that answers.
	database, err := a.databaseHealth()
	if err != nil {
		return nil, explain(fmt.Sprintf("%s is not a Grafana that answers", c.URL), err)
	}
	if database != "ok" {
		return nil, fmt.Errorf("%s is a Grafana whose database is %q: want ok", c.URL, database)
	}
	return a, nil
}

// boundTransport ends requests with a context: the client library takes none.
type boundTransport struct{ ctx context.Context }

// RoundTrip implements http.RoundTripper.
func (b boundTransport) RoundTrip(r *http.Request) (*http.Response, error) {
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
	res.Body = &boundBody{res.Body, func() { undo(); cancel(nil) }}
	return res, nil
}

// boundBody releases a request's context when its body is closed.
type boundBody struct {
	io.ReadCloser
	release func()
}

// Close implements io.Closer.
func (b *boundBody) Close() error {
	b.release()
	return b.ReadCloser.Close()
}

// explain adds to an error what the user can do about it.
func explain(what string, err error) error {
	advice := ""
	switch status(err) {
	case http.StatusUnauthorized:
		advice = "the token is wrong, expired or of another Grafana"
	case http.StatusForbidden:
		advice = "the token's service account may not do this: give it the role Admin (data sources need it), " +
			"or the permissions folders:*, dashboards:*, datasources:* and annotations:create"
	case http.StatusNotFound:
		advice = "nothing is there: is the path of the URL right?"
	case http.StatusPreconditionFailed:
		advice = "it was changed at the same time, or another dashboard of the folder has its title: check there and try again"
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
