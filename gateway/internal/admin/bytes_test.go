package admin

import (
	"net/http"
	"strings"
	"testing"
)

func TestTextThatPostgresCannotHoldIsTheClientsFault(t *testing.T) {
	base, _ := start(t)
	for _, c := range []struct {
		name, method, path, body, actor string
		code                            int
	}{
		{name: "a NUL in a key", method: "GET", path: "/services/a%00b", code: 404},
		{name: "bytes in a key that are no UTF-8", method: "GET", path: "/services/a%ff", code: 404},
		{name: "a NUL in a body", method: "POST", path: "/services", body: `{"name":"n","host":"h","tags":["a\u0000b"]}`, code: 400},
		{
			name: "an actor in Latin-1", method: "POST", path: "/services", body: `{"name":"act","host":"h"}`,
			actor: "ann\xe9", code: 201,
		},
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
			t.Errorf("%s: got %d, want %d", c.name, res.StatusCode, c.code)
		}
	}
}
