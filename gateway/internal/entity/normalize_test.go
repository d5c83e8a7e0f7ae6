package entity_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

const (
	upperID = "0A6F1C4E-27C3-4C0B-9B45-7B7B5F2C5D01"
	lowerID = "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"
)

func insertJSON(t *testing.T, schema, body string) (entity.Record, error) {
	t.Helper()
	s, ok := schemas.ByName(schema)
	if !ok {
		t.Fatalf("no schema %s", schema)
	}
	in, err := s.DecodeJSON([]byte(body))
	if err != nil {
		return nil, err
	}
	return s.ProcessInsert(in, time.Unix(1000, 0), "")
}

func TestUUIDsHaveOneSpelling(t *testing.T) {
	r, err := insertJSON(t, "services", `{"id":"`+upperID+`","host":"h","protocol":"https",`+
		`"ca_certificates":["`+upperID+`"],"client_certificate":{"id":"`+upperID+`","name":"x"}}`)
	if err != nil {
		t.Fatal(err)
	}
	ref, _ := r["client_certificate"].(map[string]any)
	if list, _ := r["ca_certificates"].([]any); r["id"] != lowerID || len(list) != 1 || list[0] != lowerID ||
		ref["id"] != lowerID || len(ref) != 1 {
		t.Errorf("stored %v", r)
	}
	s, _ := schemas.ByName("services")
	if r, err = s.ProcessUpdate(r, entity.Record{"id": upperID, "retries": int64(1)}, time.Unix(1, 0)); err != nil || r["id"] != lowerID {
		t.Errorf("a change that names the id: %v %v", r["id"], err)
	}
	if _, err := insertJSON(t, "plugins", `{"name":"prometheus","service":{"name":"s"}}`); err == nil {
		t.Error("a reference without an id was taken")
	}
}

func TestWhatTheDataPlaneRefusesIsRefusedHere(t *testing.T) {
	for _, c := range []struct{ name, schema, body, want string }{
		{
			name: "an integer that no reader takes", schema: "routes", body: `{"paths":["/a"],"regex_priority":1e20}`,
			want: "regex_priority: value should be between -9007199254740991 and 9007199254740991, but is 1e+20",
		},
		{
			name: "a time that no reader takes", schema: "services", body: `{"host":"h","created_at":1e30}`,
			want: "created_at: value should be between",
		},
		{name: "the host as a header", schema: "routes", body: `{"headers":{"Host":["a"]}}`, want: "cannot contain 'host' header"},
		{name: "a header's expression that closes a group", schema: "routes", body: `{"headers":{"x":["~*a)(b"]}}`, want: "invalid regex"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := insertJSON(t, c.schema, c.body)
			var e *entity.Error
			if !errors.As(err, &e) || e.Status() != 400 || !strings.Contains(e.Message, c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestNullTakesTheDefault(t *testing.T) {
	r, err := curl(t, "services", "host=h&retries=&port=")
	if err != nil || r["retries"] != int64(5) || r["port"] != int64(80) {
		t.Errorf("service: %v %v", r, err)
	}
	r, err = insertJSON(t, "upstreams", `{"name":"u.x","healthchecks":{"active":null,"passive":{"healthy":{"successes":null}}}}`)
	if err != nil || at(r, "healthchecks", "active", "concurrency") != int64(10) ||
		at(r, "healthchecks", "passive", "healthy", "successes") != int64(0) {
		t.Errorf("upstream: %v %v", r, err)
	}
	s, _ := schemas.ByName("targets")
	target, err := insertJSON(t, "targets", `{"target":"h:1","weight":7,"upstream":{"id":"`+lowerID+`"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if target, err = s.ProcessUpdate(target, entity.Record{"weight": nil}, time.Unix(1, 0)); err != nil || target["weight"] != int64(100) {
		t.Errorf("target: %v %v", target, err)
	}
}

func TestFormsSayNoMoreThanTheyMean(t *testing.T) {
	for _, text := range []string{"NaN", "Inf", "-infinity"} {
		if _, err := curl(t, "plugins", "name=rate-limiting&config.minute="+text); err == nil ||
			!strings.Contains(err.Error(), "config.minute: expected a number") {
			t.Errorf("%s: %v", text, err)
		}
	}
	s, _ := schemas.ByName("targets")
	if _, err := s.ProcessInsert(entity.Record{"target": "h:1", "created_at": math.NaN(),
		"upstream": map[string]any{"id": lowerID}}, time.Unix(1, 0), ""); err == nil {
		t.Error("NaN was taken")
	}
	r, err := curl(t, "routes", "hosts[]=a.com&hosts[]=&paths=&methods[]=&tags=")
	if err != nil || len(r["hosts"].([]any)) != 1 || r["paths"] != nil || r["methods"] != nil || r["tags"] != nil {
		t.Errorf("empty lists: %v %v", r, err)
	}
	if r, err = insertJSON(t, "services", `{"url":"http://h/a%2Fb"}`); err != nil || r["path"] != "/a%2Fb" {
		t.Errorf("url: %v %v", r["path"], err)
	}
}

func TestAChangeByFormKnowsItsPlugin(t *testing.T) {
	s, _ := schemas.ByName("plugins")
	in, err := s.DecodePatch(map[string][]string{"config.minute": {"10"}, "config.hide_client_headers": {"true"}}, "rate-limiting")
	if err != nil || at(in, "config", "minute") != int64(10) || at(in, "config", "hide_client_headers") != true {
		t.Errorf("%v %v", in, err)
	}
}
