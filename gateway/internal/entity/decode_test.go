package entity

import "testing"

func TestTextIsTakenAsItWasSent(t *testing.T) {
	consumers, _ := ByName("consumers")
	for _, c := range []struct {
		name, body string
		ok         bool
	}{
		{"plain", `{"username":"a"}`, true},
		{"a pair of surrogates", `{"username":"\ud83d\ude00"}`, true},
		{"an escaped backslash before a u", `{"username":"\\ud800"}`, true},
		{"the replacement character itself", `{"username":"\ufffd"}`, true},
		{"half a pair", `{"username":"\ud800"}`, false},
		{"the other half", `{"username":"\udc00x"}`, false},
		{"halves in the wrong order", `{"username":"\ude00\ud83d"}`, false},
		{"a byte that is no UTF-8", "{\"username\":\"a\xff\"}", false},
	} {
		_, err := consumers.DecodeJSON([]byte(c.body))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	services, _ := ByName("services")
	r, err := services.DecodeJSON([]byte(`{"host":1e400}`))
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := r["host"].(string); ok {
		t.Errorf("a number became the text %q", text)
	}
}
