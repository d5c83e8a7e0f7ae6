package entity_test

import "testing"

func TestTextIsTakenAsItWasSent(t *testing.T) {
	consumers, _ := schemas.ByName("consumers")
	for _, c := range []struct {
		name, body string
		ok         bool
	}{
		{name: "plain", body: `{"username":"a"}`, ok: true},
		{name: "a pair of surrogates", body: `{"username":"\ud83d\ude00"}`, ok: true},
		{name: "an escaped backslash before a u", body: `{"username":"\\ud800"}`, ok: true},
		{name: "the replacement character itself", body: `{"username":"\ufffd"}`, ok: true},
		{name: "half a pair", body: `{"username":"\ud800"}`},
		{name: "the other half", body: `{"username":"\udc00x"}`},
		{name: "halves in the wrong order", body: `{"username":"\ude00\ud83d"}`},
		{name: "a byte that is no UTF-8", body: "{\"username\":\"a\xff\"}"},
	} {
		_, err := consumers.DecodeJSON([]byte(c.body))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	services, _ := schemas.ByName("services")
	r, err := services.DecodeJSON([]byte(`{"host":1e400}`))
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := r["host"].(string); ok {
		t.Errorf("a number became the text %q", text)
	}
}
