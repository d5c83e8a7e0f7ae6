package admin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kong/go-kong/kong"

	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

const js = "application/json"

// selfSigned makes a certificate and its key, in PEM.
func selfSigned(t *testing.T, name string, isCA bool) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), IsCA: isCA, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return block("CERTIFICATE", der), block("EC PRIVATE KEY", raw)
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCertificatesAreKeptAsGoKongWantsThem(t *testing.T) {
	base, db := start(t)
	ctx := context.Background()
	c, err := kong.NewClient(&base, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t, "a.example", false)
	_, otherKey := selfSigned(t, "b.example", false)
	made, err := c.Certificates.Create(ctx, &kong.Certificate{Cert: &cert, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Certificates.Create(ctx, &kong.Certificate{Cert: &cert, Key: &otherKey})
	if err == nil || !strings.Contains(err.Error(), "does not match") {
		t.Errorf("another's key: %v", err)
	}
	sni, err := c.SNIs.Create(ctx, &kong.SNI{Name: kong.String("a.example"), Certificate: made})
	if err != nil || *sni.Certificate.ID != *made.ID {
		t.Fatalf("SNI: %v %v", sni, err)
	}
	if list, err := c.SNIs.ListAll(ctx); err != nil || len(list) != 1 {
		t.Errorf("SNIs: %v %v", list, err)
	}
	ca, _ := selfSigned(t, "ca", true)
	authority, err := c.CACertificates.Create(ctx, &kong.CACertificate{Cert: &ca})
	if err != nil || len(*authority.CertDigest) != 64 {
		t.Fatalf("CA: %v %v", authority, err)
	}
	if _, err := c.CACertificates.Create(ctx, &kong.CACertificate{Cert: &cert}); err == nil {
		t.Error("a certificate that is no CA's was taken for one")
	}
	svc, err := c.Services.Create(ctx, &kong.Service{Name: kong.String("s"), Protocol: kong.String("https"), Host: kong.String("h"),
		TLSVerify: kong.Bool(true), CACertificates: []*string{authority.ID}, ClientCertificate: made})
	if err != nil || !*svc.TLSVerify || *svc.ClientCertificate.ID != *made.ID {
		t.Fatalf("service: %v %v", svc, err)
	}
	if err := c.Certificates.Delete(ctx, made.ID); err == nil || !strings.Contains(err.Error(), "references this") {
		t.Errorf("deleting a certificate in use: %v", err)
	}
	cfg, err := db.Snapshot(ctx)
	if err != nil || len(cfg.Certificates) != 1 || cfg.Certificates[0].Key != key || cfg.CACertificates[0].Cert != ca ||
		!*cfg.Services[0].TLSVerify {
		t.Errorf("the data plane gets %+v, %v", cfg, err)
	}
	if err := c.Services.Delete(ctx, svc.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.Certificates.Delete(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if list, err := c.SNIs.ListAll(ctx); err != nil || len(list) != 0 {
		t.Errorf("SNIs of a deleted certificate: %v %v", list, err)
	}
}

func TestRevisionsHideSecretsAndPage(t *testing.T) {
	base, _ := start(t)
	cert, key := selfSigned(t, "a.example", false)
	send(t, "POST", base+"/certificates", js, toJSON(t, map[string]any{"cert": cert, "key": key}))
	send(t, "POST", base+"/consumers", js, `{"username":"u"}`)
	send(t, "POST", base+"/consumers/u/key-auth", js, `{"key":"hunter2-key"}`)
	send(t, "POST", base+"/plugins", js,
		`{"name":"rate-limiting","config":{"minute":5,"policy":"redis","redis_host":"r","redis_password":"hunter2-flat"}}`)
	send(t, "POST", base+"/plugins", js,
		`{"name":"proxy-cache","config":{"strategy":"redis","redis":{"host":"r","password":"hunter2-nested"}}}`)
	var ids []float64
	url := base + "/revisions?size=2"
	for pages := 0; url != ""; pages++ {
		if pages > 5 {
			t.Fatal("the pages do not end")
		}
		_, out, _ := send(t, "GET", url, "", "")
		if text := fmt.Sprint(out); strings.Contains(text, "hunter2") || strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("a secret is shown: %s", text)
		}
		for _, r := range out["data"].([]any) {
			ids = append(ids, r.(map[string]any)["id"].(float64))
		}
		url = ""
		if next, ok := out["next"].(string); ok {
			if out["offset"] == nil {
				t.Error("next without offset")
			}
			url = base + next
		}
	}
	if fmt.Sprint(ids) != "[5 4 3 2 1]" {
		t.Errorf("revisions %v", ids)
	}
	_, out, _ := send(t, "GET", base+"/revisions?size=1", "", "")
	after := out["data"].([]any)[0].(map[string]any)["after"].(map[string]any)
	if after["config"].(map[string]any)["redis"].(map[string]any)["password"] != "***" {
		t.Errorf("it cannot be seen that there was a password: %v", after)
	}
}

func TestAnExpressionThatDoesNotCompileIsRefused(t *testing.T) {
	base, _ := start(t)
	for _, c := range []struct {
		say, body, field, want string
	}{
		{"a path", `{"paths":["/fine","~/a(b"]}`, "paths", "invalid regex: '/a(b'"},
		{"a header", `{"paths":["/"],"headers":{"x-a":["~*[z"]}}`, "headers", "x-a: invalid regex: '[z'"},
	} {
		code, out, _ := send(t, "POST", base+"/routes", js, c.body)
		fields, _ := out["fields"].(map[string]any)
		if code != 400 || !strings.Contains(fmt.Sprint(fields[c.field]), c.want) {
			t.Errorf("%s: %d %v", c.say, code, out)
		}
	}
	for _, good := range []string{
		`{"paths":["~/v(?<n>\\d+)/x$"]}`, `{"paths":["~/(?!admin).*"]}`, `{"paths":["/"],"headers":{"x-a":["[z"]}}`,
	} {
		if code, out, _ := send(t, "POST", base+"/routes", js, good); code != 201 {
			t.Errorf("%s: %d %v", good, code, out)
		}
	}
}

func TestAPatchOfTheFlatSpellingWins(t *testing.T) {
	base, _ := start(t)
	_, made, _ := send(t, "POST", base+"/plugins", js, `{"name":"rate-limiting","config":{"minute":5,"policy":"redis","redis_host":"old"}}`)
	for _, c := range []struct{ patch, want string }{
		{`{"config":{"redis_host":"new"}}`, "new new"},
		{`{"config":{"redis":{"host":"newer"}}}`, "newer newer"},
		{`{"config":{"minute":6}}`, "newer newer"},
	} {
		code, out, _ := send(t, "PATCH", base+"/plugins/"+made["id"].(string), js, c.patch)
		config, _ := out["config"].(map[string]any)
		nested, _ := config["redis"].(map[string]any)
		if got := fmt.Sprint(config["redis_host"], " ", nested["host"]); code != 200 || got != c.want {
			t.Errorf("%s: %d %s, want %s", c.patch, code, got, c.want)
		}
	}
	if code, out, _ := send(t, "PATCH", base+"/plugins/"+made["id"].(string), js, `{"config":{"redis":{"host":null}}}`); code != 400 {
		t.Errorf("without any host: %d %v", code, out)
	}
}

func TestTagsAndEndpoints(t *testing.T) {
	base, _ := start(t)
	c, err := kong.NewClient(&base, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Tags.Exists(context.Background()); err != nil || !ok {
		t.Errorf("tags exist: %v %v", ok, err)
	}
	send(t, "POST", base+"/services", js, `{"name":"s","host":"h","tags":["one","two"]}`)
	send(t, "POST", base+"/services", js, `{"name":"none","host":"h"}`)
	send(t, "POST", base+"/consumers", js, `{"username":"u","tags":["two"]}`)
	rows := func(path string) []string {
		var all []string
		for url := base + path; url != ""; {
			_, out, _ := send(t, "GET", url, "", "")
			for _, r := range out["data"].([]any) {
				m := r.(map[string]any)
				all = append(all, fmt.Sprint(m["entity_name"], ":", m["tag"]))
			}
			url = ""
			if next, ok := out["next"].(string); ok {
				url = base + next
			}
		}
		return all
	}
	if got := rows("/tags?size=1"); !slices.Equal(got, []string{"services:one", "services:two", "consumers:two"}) {
		t.Errorf("all tags: %v", got)
	}
	if got := rows("/tags/two"); !slices.Equal(got, []string{"services:two", "consumers:two"}) {
		t.Errorf("one tag: %v", got)
	}
	_, out, _ := send(t, "GET", base+"/endpoints", "", "")
	for _, want := range []string{
		"/services", "/services/{services}/routes", "/upstreams/{upstreams}/health", "/consumers/{consumers}/key-auth",
	} {
		if !slices.Contains(out["data"].([]any), any(want)) {
			t.Errorf("endpoints lack %s", want)
		}
	}
}

func TestTheHealthOfAnUpstreamIsKongs(t *testing.T) {
	_, db := start(t)
	balancers, messages := &fakeBalancers{}, &fakeMessenger{}
	balancers.standings = map[string]Standing{"10.0.0.2:8000": {Health: "UNHEALTHY", Addresses: []string{"10.0.0.2"}}}
	srv := httptest.NewServer(New(Config{
		Schemas: all.Plugins().Catalog(),
		NodeID:  "n", Targets: NewTargets(balancers, messages, slog.New(slog.DiscardHandler)),
	}, db, slog.New(slog.DiscardHandler)))
	defer srv.Close()
	ctx := context.Background()
	c, err := kong.NewClient(&srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	checks := &kong.Healthcheck{Passive: &kong.PassiveHealthcheck{Unhealthy: &kong.Unhealthy{TCPFailures: kong.Int(1)}}}
	up, err := c.Upstreams.Create(ctx, &kong.Upstream{Name: kong.String("u.x"), Healthchecks: checks})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"10.0.0.1", "10.0.0.2"} {
		if _, err := c.Targets.Create(ctx, up.ID, &kong.Target{Target: kong.String(target)}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := c.UpstreamNodeHealth.ListAll(ctx, up.Name)
	if err != nil || len(list) != 2 || *list[0].Health != "HEALTHY" || *list[1].Health != "UNHEALTHY" ||
		*list[1].Data.Weight.Unavailable != 100 {
		t.Errorf("health: %s %v", toJSON(t, list), err)
	}
	_, out, _ := send(t, "GET", srv.URL+"/upstreams/u.x/health?balancer_health=1", "", "")
	if data := out["data"].(map[string]any); data["health"] != "HEALTHY" || data["id"] != *up.ID {
		t.Errorf("the whole: %v", out)
	}
	if err := c.Targets.MarkUnhealthy(ctx, up.Name, &kong.Target{Target: kong.String("10.0.0.1:8000")}); err != nil {
		t.Error(err)
	}
	if code, _, _ := send(t, "PUT", srv.URL+"/upstreams/u.x/targets/10.0.0.1:8000/healthy", "", ""); code != 204 {
		t.Errorf("PUT healthy: %d", code)
	}
	if want := []string{"10.0.0.1:8000 false", "10.0.0.1:8000 true"}; !slices.Equal(balancers.set, want) || len(messages.sent) != 2 {
		t.Errorf("set %v, want %v; told the others %v", balancers.set, want, messages.sent)
	}
	if code, _, _ := send(t, "PUT", srv.URL+"/upstreams/u.x/targets/10.9.9.9:1/healthy", "", ""); code != 404 {
		t.Errorf("a target that is none: %d", code)
	}
}

func TestADatabaseThatIsAwayIsTold(t *testing.T) {
	p, err := store.Open(context.Background(), store.Config{DSN: "host=127.0.0.1 port=1 user=x dbname=x", AcquireTimeout: time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	srv := httptest.NewServer(New(Config{Schemas: all.Plugins().Catalog()}, p, slog.New(slog.DiscardHandler)))
	defer srv.Close()
	for _, c := range [][2]string{
		{"GET", "/services"}, {"GET", "/services/x"}, {"POST", "/services"}, {"DELETE", "/services/x"}, {"GET", "/revisions"}, {"GET", "/tags"},
	} {
		code, out, h := send(t, c[0], srv.URL+c[1], js, `{"host":"h"}`)
		if code != 503 || h.Get("Retry-After") == "" || !strings.Contains(fmt.Sprint(out["message"]), "the database is unavailable") {
			t.Errorf("%s %s: %d %v", c[0], c[1], code, out)
		}
	}
}
