package admin

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/kong/go-kong/kong"
)

const (
	upperID = "0A6F1C4E-27C3-4C0B-9B45-7B7B5F2C5D01"
	lowerID = "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"
)

// want sends a request and checks its status and what the message says.
func want(t *testing.T, method, url, contentType, body string, status int, message string) map[string]any {
	t.Helper()
	code, out, _ := send(t, method, url, contentType, body)
	text, _ := out["message"].(string)
	if code != status || !strings.Contains(text, message) {
		t.Errorf("%s %s %s: %d %v\nwant %d %s", method, url, body, code, out, status, message)
	}
	return out
}

func TestAnIDInUpperCaseIsTheSame(t *testing.T) {
	base, db := start(t)
	for range 2 {
		if out := want(t, "PUT", base+"/services/"+upperID, js, `{"name":"s","host":"h"}`, 200, ""); out["id"] != lowerID {
			t.Errorf("the service is %v", out)
		}
	}
	want(t, "POST", base+"/routes", js, `{"paths":["/a"],"service":{"id":"`+upperID+`","name":"s"}}`, 201, "")
	want(t, "POST", base+"/services/"+upperID+"/plugins", form, "name=key-auth", 201, "")
	want(t, "PATCH", base+"/services/"+upperID, js, `{"id":"`+upperID+`","retries":1}`, 200, "")
	cfg, err := db.Snapshot(context.Background())
	if err != nil || len(cfg.Services) != 1 || cfg.Services[0].ID != lowerID || cfg.Routes[0].Service.ID != lowerID ||
		cfg.Plugins[0].Service.ID != lowerID {
		t.Errorf("the data plane gets %+v, %v", cfg, err)
	}
}

func TestAnAuthorityInUseStays(t *testing.T) {
	base, _ := start(t)
	out := want(t, "POST", base+"/services", js, `{"name":"s","host":"h","protocol":"https","ca_certificates":["`+lowerID+`"]}`, 400,
		"does not reference an existing 'ca_certificates' entity")
	if out["code"] != 4.0 {
		t.Errorf("an authority that there is not: %v", out)
	}
	pem, _ := selfSigned(t, "ca", true)
	want(t, "PUT", base+"/ca_certificates/"+upperID, js, toJSON(t, map[string]any{"cert": pem}), 200, "")
	want(t, "POST", base+"/services", js,
		`{"name":"s","host":"h","protocol":"https","ca_certificates":["`+upperID+`","`+lowerID+`"]}`, 201, "")
	out = want(t, "DELETE", base+"/ca_certificates/"+upperID, "", "", 400,
		"an existing 'services' entity references this 'ca_certificates' entity")
	if fields, _ := out["fields"].(map[string]any); out["code"] != 4.0 || fields["@referenced_by"] != "services" {
		t.Errorf("deleting one in use: %v", out)
	}
	want(t, "PATCH", base+"/services/s", js, `{"ca_certificates":null}`, 200, "")
	want(t, "DELETE", base+"/ca_certificates/"+lowerID, "", "", 204, "")
}

func TestAFormChangesAPluginThatItDoesNotName(t *testing.T) {
	base, _ := start(t)
	want(t, "POST", base+"/services", form, "name=s&host=h", 201, "")
	made := want(t, "POST", base+"/services/s/plugins", form, "name=rate-limiting&config.minute=5", 201, "")
	id, _ := made["id"].(string)
	for _, path := range []string{"/plugins/", "/services/s/plugins/"} {
		out := want(t, "PATCH", base+path+id, form, "config.minute=10&config.hide_client_headers=true", 200, "")
		if config, _ := out["config"].(map[string]any); config["minute"] != 10.0 || config["hide_client_headers"] != true {
			t.Errorf("%s: %v", path, out)
		}
		want(t, "PATCH", base+path+id, js, `{"config":{"minute":5,"hide_client_headers":false}}`, 200, "")
	}
	want(t, "PATCH", base+"/plugins/"+lowerID, form, "config.minute=10", 404, "Not found")
	want(t, "PATCH", base+"/plugins/"+id, form, "config.minute=NaN", 400, "config.minute: expected a number")
}

func TestConsumersAreFoundByCustomID(t *testing.T) {
	base, _ := start(t)
	ctx := context.Background()
	c, err := kong.NewClient(&base, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2"} {
		if _, err := c.Consumers.Create(ctx, &kong.Consumer{CustomID: &id}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := c.Consumers.GetByCustomID(ctx, kong.String("2")); err != nil || *got.CustomID != "2" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := c.Consumers.GetByCustomID(ctx, kong.String("3")); !kong.IsNotFoundErr(err) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestATTLIsWhatIsLeft(t *testing.T) {
	base, _ := start(t)
	want(t, "POST", base+"/consumers", form, "username=u", 201, "")
	out := want(t, "POST", base+"/consumers/u/key-auth", form, "key=k&ttl=1000", 201, "")
	if left, _ := out["ttl"].(float64); left < 900 || left >= 1000 { // as in Kong, whole seconds are left
		t.Errorf("made: %v", out)
	}
	out = want(t, "GET", base+"/consumers/u/key-auth/k", "", "", 200, "")
	if left, _ := out["ttl"].(float64); left < 1 || left > 1000 {
		t.Errorf("left: %v", out)
	}
	if out = want(t, "PATCH", base+"/consumers/u/key-auth/k", form, "ttl=", 200, ""); out["ttl"] != nil {
		t.Errorf("without end: %v", out)
	}
}

func TestACertificateBringsItsSNIs(t *testing.T) {
	base, _ := start(t)
	ctx := context.Background()
	c, err := kong.NewClient(&base, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t, "a.example", false)
	made, err := c.Certificates.Create(ctx, &kong.Certificate{Cert: &cert, Key: &key, SNIs: kong.StringSlice("b.com", "a.com")})
	if err != nil || len(made.SNIs) != 2 {
		t.Fatalf("made: %v %v", made, err)
	}
	named := func(say string, names ...string) {
		t.Helper()
		got, err := c.Certificates.Get(ctx, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, n := range got.SNIs {
			list = append(list, *n)
		}
		slices.Sort(list)
		all, err := c.SNIs.ListAll(ctx)
		if err != nil || !slices.Equal(list, names) || len(all) != len(names) {
			t.Errorf("%s: %v of %d, %v; want %v", say, list, len(all), err, names)
		}
	}
	named("at first", "a.com", "b.com")
	url := base + "/certificates/" + *made.ID
	want(t, "PATCH", url, js, `{"tags":["x"]}`, 200, "")
	named("another change", "a.com", "b.com")
	want(t, "PUT", url, js, toJSON(t, map[string]any{"cert": cert, "key": key}), 200, "")
	named("replaced without a word", "a.com", "b.com")
	want(t, "PATCH", url, js, `{"snis":["c.com","b.com"]}`, 200, "")
	named("changed", "b.com", "c.com")
	pair := map[string]any{"cert": cert, "key": key, "snis": []string{"d.com", "c.com"}}
	want(t, "POST", base+"/certificates", js, toJSON(t, pair), 400, "c.com already associated with existing certificate '"+*made.ID+"'")
	pair["snis"] = []string{"d.com", "d.com"}
	want(t, "POST", base+"/certificates", js, toJSON(t, pair), 400, "duplicate SNI in request: d.com")
	named("what was refused left nothing", "b.com", "c.com")
	if list, err := c.Certificates.ListAll(ctx); err != nil || len(list) != 1 || len(list[0].SNIs) != 2 {
		t.Errorf("listed: %v %v", list, err)
	}
	want(t, "PATCH", url, js, `{"snis":[]}`, 200, "")
	named("taken off")
}

func TestOnlyAUUIDNamesACertificate(t *testing.T) {
	base, _ := start(t)
	cert, key := selfSigned(t, "a.example", true)
	want(t, "PUT", base+"/certificates/foo", js, toJSON(t, map[string]any{"cert": cert, "key": key}), 400, "invalid primary key")
	want(t, "PUT", base+"/ca_certificates/foo", js, toJSON(t, map[string]any{"cert": cert}), 400, "invalid primary key")
	if out := want(t, "GET", base+"/certificates", "", "", 200, ""); len(out["data"].([]any)) != 0 {
		t.Errorf("made all the same: %v", out)
	}
}

func TestTheHistoryKeepsNoSecrets(t *testing.T) {
	base, db := start(t)
	want(t, "POST", base+"/consumers", form, "username=u", 201, "")
	want(t, "POST", base+"/consumers/u/key-auth", form, "key=hunter2", 201, "")
	want(t, "POST", base+"/plugins", form, "name=rate-limiting&config.minute=1&config.redis_password=hunter2", 201, "")
	want(t, "DELETE", base+"/consumers/u/key-auth/hunter2", "", "", 204, "")
	list, err := db.Revisions(context.Background(), 0, 10)
	if err != nil || len(list) != 4 || strings.Contains(toJSON(t, list), "hunter2") {
		t.Errorf("stored: %v %v", list, err)
	}
}

func TestKeyAuthIsForNoSingleConsumer(t *testing.T) {
	base, _ := start(t)
	want(t, "POST", base+"/consumers", form, "username=u", 201, "")
	want(t, "POST", base+"/consumers/u/plugins", form, "name=key-auth", 400, "consumer: value must be null")
	out := want(t, "GET", base+"/schemas/plugins/key-auth", "", "", 200, "")
	for _, f := range out["fields"].([]any) {
		if consumer, ok := f.(map[string]any)["consumer"].(map[string]any); ok {
			if eq, has := consumer["eq"]; !has || eq != nil {
				t.Errorf("described as %v", consumer)
			}
		}
	}
}
