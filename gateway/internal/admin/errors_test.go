package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// failingStore is a store that answers every question with one error.
type failingStore struct {
	Store
	err error
}

func (f failingStore) List(context.Context, *entity.Schema, store.Query) ([]entity.Record, int64, error) {
	return nil, 0, f.err
}

func (f failingStore) Select(context.Context, *entity.Schema, string, map[string]string) (entity.Record, error) {
	return nil, f.err
}

func (f failingStore) Insert(context.Context, *entity.Schema, entity.Record, string) error {
	return f.err
}

func (f failingStore) Modify(
	context.Context, *entity.Schema, string, map[string]string, string, store.Change,
) (entity.Record, bool, error) {
	return nil, false, f.err
}

func (f failingStore) Delete(context.Context, *entity.Schema, string, map[string]string, string) error {
	return f.err
}

func (f failingStore) Revisions(context.Context, int64, int) ([]store.Revision, error) {
	return nil, f.err
}

// What is not the client's to repair has an id in the answer and in the log, and
// its text in the log alone.
func TestInternalErrorsAreNotShown(t *testing.T) {
	secret := "host=10.1.2.3 user=gateway"
	for _, tt := range []struct {
		name string
		err  error
		code int
		says string
	}{
		{
			name: "Postgres is a standby", err: fmt.Errorf("%w: %w", store.ErrReadOnly, errors.New(secret)), code: 503,
			says: store.ErrReadOnly.Error(),
		},
		{
			name: "Postgres is away", err: fmt.Errorf("%w: %w", store.ErrUnavailable, errors.New(secret)), code: 503,
			says: "the database is unavailable",
		},
		{name: "no connection", err: store.ErrPoolExhausted, code: 503, says: "no free connection to Postgres"},
		{
			name: "a database error",
			err:  &entity.Error{Code: entity.CodeDatabase, Name: "database error", Message: "database error: " + secret},
			code: 500, says: "An unexpected error occurred",
		},
		{name: "an error of ours", err: errors.New(secret), code: 503, says: "An unexpected error occurred"},
	} {
		for _, call := range [][3]string{
			{"GET", "/services", ""}, {"GET", "/services/a", ""}, {"POST", "/services", "name=a&host=h"}, {"PUT", "/services/a", "host=h"},
			{"PATCH", "/services/a", "host=h"}, {"DELETE", "/services/a", ""}, {"GET", "/revisions", ""}, {"GET", "/tags", ""},
			{"PATCH", "/plugins/5f19cf81-ede1-40f9-aac4-fd81d410c2ec", "config.minute=1"}, {"POST", "/schemas/routes/validate", "service.name=a"},
			{"GET", "/services/a/routes", ""}, {"GET", "/routes/a/service", ""},
		} {
			var log bytes.Buffer
			config := Config{Schemas: all.Plugins().Catalog()}
			srv := httptest.NewServer(New(config, failingStore{err: tt.err}, slog.New(slog.NewTextHandler(&log, nil))))
			code, out, _ := send(t, call[0], srv.URL+call[1], form, call[2])
			srv.Close()
			id, _ := out["error_id"].(string)
			if code != tt.code || out["message"] != tt.says || len(id) < 16 || strings.Contains(fmt.Sprint(out), secret) {
				t.Errorf("%s, %v: %d %v", tt.name, call, code, out)
			}
			if !strings.Contains(log.String(), "error_id="+id) || !strings.Contains(log.String(), tt.err.Error()) {
				t.Errorf("%s, %v: the log lacks the id or the text: %s", tt.name, call, log.String())
			}
		}
	}
}

// Errors that the client can correct keep their full text.
func TestSchemaErrorsAreShown(t *testing.T) {
	srv := httptest.NewServer(New(Config{Schemas: all.Plugins().Catalog()}, failingStore{}, slog.New(slog.DiscardHandler)))
	defer srv.Close()
	code, out, _ := send(t, "POST", srv.URL+"/services", form, "name=a&host=h&port=x")
	if code != 400 || out["error_id"] != nil || !strings.Contains(fmt.Sprint(out), "port") {
		t.Errorf("%d %v", code, out)
	}
}

// The handler alone, without a guard before it, gives no page leave to read.
func TestNoAnswerIsForEveryOrigin(t *testing.T) {
	config := Config{Schemas: all.Plugins().Catalog()}
	srv := httptest.NewServer(New(config, failingStore{err: store.ErrUnavailable}, slog.New(slog.DiscardHandler)))
	defer srv.Close()
	for _, path := range []string{"/", "/services", "/nothing", "/schemas/services"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://evil.example")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: Access-Control-Allow-Origin: %s", path, got)
		}
	}
}
