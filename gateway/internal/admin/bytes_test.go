package admin

import (
	"net/http"
	"strings"
	"testing"
)

func TestTextThatPostgresCannotHoldIsTheClientsFault(t *testing.T) {
	base, _ := start(t)
	for _, c := range []struct {
		say, method, path, body, actor string
		code                           int
	}{
		{"a NUL in a key", "GET", "/services/a%00b", "", "", 404},
		{"bytes in a key that are no UTF-8", "GET", "/services/a%ff", "", "", 404},
		{"a NUL in a body", "POST", "/services", `{"name":"n","host":"h","tags":["a\u0000b"]}`, "", 400},
		{"an actor in Latin-1", "POST", "/services", `{"name":"act","host":"h"}`, "ann\xe9", 201},
	} {
		req, err := http.NewRequest(c.method, base+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if c.actor != "" {
			req.Header.Set("X-Gatelab-Actor", c.actor)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.code {
			t.Errorf("%s: got %d, want %d", c.say, res.StatusCode, c.code)
		}
	}
}
