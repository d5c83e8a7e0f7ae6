package iprestriction

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"ip-restriction.allow":   `.: json:"allow" + in.Allow`,
	"ip-restriction.deny":    `.: json:"deny" + in.Deny`,
	"ip-restriction.status":  `.: json:"status" + in.Status`,
	"ip-restriction.message": `.: json:"message" + in.Message`,
}

func TestSchema(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"ip-restriction": Definition().Config}, nil)
	schemas := plugin.NewSet(Definition()).Catalog()
	for config, want := range map[string]string{
		`{}`:                                   "at least one of these fields must be non-empty: 'config.allow', 'config.deny'",
		`{"allow":["10.0.0.1","x"]}`:           "config.allow: invalid ip or cidr range: 'x'",
		`{"deny":["10.0.0.0/33"]}`:             "config.deny: invalid ip or cidr range: '10.0.0.0/33'",
		`{"deny":["fe80::1%eth0"]}`:            "config.deny: invalid ip or cidr range: 'fe80::1%eth0'",
		`{"deny":["::ffff:10.0.0.0/104"]}`:     "config.deny: invalid ip or cidr range",
		`{"deny":["10.0.0.1"],"status":100}`:   "config.status: value should be between 200 and 599",
		`{"whitelist":["10.0.0.1"],"deny":[]}`: "config.whitelist: unknown field",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"ip-restriction","config":`+config+`}`)
		entitytest.Refused(t, err, want)
	}
	if p := Definition().Priority; p != 990 {
		t.Errorf("priority %d is not Kong's", p)
	}
}

func TestAddresses(t *testing.T) {
	const refused = `403 {"message":"Your IP address is not allowed"}`
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	for _, tt := range []struct {
		config entity.Record
		want   string
	}{
		{entity.Record{"allow": []any{"127.0.0.0/8"}}, "200 ok"},
		{entity.Record{"allow": []any{"::ffff:127.0.0.1"}}, "200 ok"},
		{entity.Record{"allow": []any{"10.0.0.0/8", "::1", "127.0.0.2"}}, refused},
		{entity.Record{"deny": []any{"127.0.0.1"}}, refused},
		{entity.Record{"deny": []any{"10.0.0.1"}}, "200 ok"},
		{entity.Record{"deny": []any{"127.0.0.1"}, "allow": []any{"127.0.0.0/8"}}, refused},
		{entity.Record{"deny": []any{"0.0.0.0/0"}, "status": 404, "message": `"no"`}, `404 {"message":"\"no\""}`},
		{entity.Record{"allow": []any{}}, "200 ok"},
	} {
		g := plugintest.Start(t, 0, ok, []plugin.Definition{Definition()}, entity.Record{"name": "ip-restriction", "config": tt.config})
		res, body := g.Send(t, http.MethodGet, "/", "", "X-Forwarded-For:10.0.0.1", "X-Real-IP:10.0.0.1")
		if got := fmt.Sprintf("%d %s", res.StatusCode, body); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.config, got, tt.want)
		}
	}
}

// TestAZoneHidesNoAddress calls the plugin itself: a peer with a link-local address
// is not to be had on the loopback device.
func TestAZoneHidesNoAddress(t *testing.T) {
	p, err := newPlugin(&entity.Plugin{Config: entity.Record{"deny": []any{"fe80::/10"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &plugin.Exchange{Ctx: &fasthttp.RequestCtx{}, ClientIP: "fe80::1%eth0"}
	if !p.(plugin.AccessPhase).Access(x) || x.Ctx.Response.StatusCode() != http.StatusForbidden {
		t.Errorf("%s passed", x.ClientIP)
	}
}

func FuzzPrefix(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "10.0.0.0/8", "::/0", "::ffff:1.2.3.4", "1.2.3.4/", "fe80::%a/64"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePrefix(text); err == nil && (!p.IsValid() || !p.Contains(p.Addr())) {
			t.Fatalf("%q became %s", text, p)
		}
	})
}
