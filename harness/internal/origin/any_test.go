package origin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/gatelab/gatelab/harness/internal/origin"
)

// Below its path every method and every path has an answer, which names the numbers that were asked for.
func TestAnyPathHasAnAnswer(t *testing.T) {
	o, url, client := serve(t, config())
	for _, row := range []struct{ method, path, body, want string }{
		{method: "GET", path: "/v1/any/users/7/orders?page=12", want: `[{"id":"model-7"},{"id":"model-12"}]`},
		{method: "POST", path: "/v1/any/users", body: "{}", want: `"found":[]`},
		{method: "GET", path: "/v1/any?page=3", want: `[{"id":"model-3"}]`},
		{method: "GET", path: "/v1/any", want: `"found":[]`},
		{method: "DELETE", path: "/v1/any/", want: `"method":"DELETE"`},
		{method: "GET", path: "/v1/any/reset", want: `"object":"any"`}, // nothing of the origin's own is below it
	} {
		got := ask(t, client, row.method, url+row.path, row.body)
		if got.status != 200 || !strings.Contains(string(got.body), row.want) || len(got.body) != config().BodyBytes {
			t.Errorf("%s %s: status %d, %d bytes: %.200s", row.method, row.path, got.status, len(got.body), got.body)
		}
		if want := fmt.Sprintf("%016x", xxhash.Sum64(got.body)); got.header.Get(origin.BodyHeader) != want {
			t.Errorf("%s %s: hash %s, want %s", row.method, row.path, got.header.Get(origin.BodyHeader), want)
		}
	}
	if got := ask(t, client, "GET", url+"/v1/anyone", ""); got.status != 404 {
		t.Errorf("another path: status %d", got.status)
	}
	long := ask(t, client, "GET", url+"/v1/any/"+strings.Repeat("1/", 1000), "")
	if long.status != 200 || len(long.body) > 4096 {
		t.Errorf("a thousand numbers: status %d, %d bytes", long.status, len(long.body))
	}
	if n := o.Stats().Endpoints["any"]["200"]; n != 7 {
		t.Errorf("%d counted, want 7", n)
	}
}
