package transform

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzObject(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[1, {}],"a":null}`, ` { "\u0061" : "x" , "" : -0.0e1 } `, `{}`, `[]`, `{"b":"\ud800"}`,
		"{\"\xff\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := ParseObject(body)
		var want map[string]json.RawMessage
		if valid := json.Unmarshal(body, &want) == nil && want != nil; valid != (err == nil) {
			t.Fatalf("%q: %v", body, err)
		}
		if err != nil {
			return
		}
		var compact, made bytes.Buffer
		_, _ = json.Compact(&compact, body), json.Compact(&made, o.Bytes())
		if !bytes.Equal(compact.Bytes(), made.Bytes()) {
			t.Fatalf("%q became %q", body, o.Bytes())
		}
		o.Remove("a")
		o.Set("b", Text("1"))
		o.Append("b", Text("2"))
		o.Rename("b", "c")
		var got map[string]json.RawMessage
		if err := json.Unmarshal(o.Bytes(), &got); err != nil || got["a"] != nil || got["b"] != nil || string(got["c"]) != `["1","2"]` {
			t.Fatalf("%q became %q: %v", body, o.Bytes(), err)
		}
	})
}
