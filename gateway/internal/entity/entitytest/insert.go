package entitytest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Insert makes an entity of a JSON body, as the Admin API does.
func Insert(t *testing.T, c *entity.Catalog, schema, body string) (entity.Record, error) {
	t.Helper()
	s, ok := c.ByName(schema)
	if !ok {
		t.Fatalf("no schema %s", schema)
	}
	in, err := s.DecodeJSON([]byte(body))
	if err != nil {
		return nil, err //nolint:wrapcheck // the test compares it
	}
	return s.ProcessInsert(in, time.Unix(1000, 0), "")
}

// Refused wants err to be a schema violation whose message contains want.
func Refused(t *testing.T, err error, want string) {
	t.Helper()
	var e *entity.Error
	if !errors.As(err, &e) || e.Status() != 400 || e.Name != "schema violation" || !strings.Contains(e.Message, want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// At is the value at a path of nested records, nil where there is none.
func At(r entity.Record, path ...string) any {
	var v any = r
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}
