package load

import (
	"encoding/json"
	"testing"
)

// A worker's answer is refused, or can be merged with another's.
func FuzzResult(f *testing.F) {
	for _, s := range []string{
		`{}`,
		`{"attack":{"id":"a","duration":1000000000},"requests":3,"successes":2,"status":{"200":2},"errors":{"eof":1},"series":[{"offset":-5}]}`,
		`{"attack":{"duration":-1},"series":[{"offset":9223372036854775807}],"by_request":{"a":{"requests":1}},"mismatches":[{"offset":-1}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Result
		if json.Unmarshal(b, &r) != nil {
			return
		}
		r.QPS()
		if m, err := Merge([]*Result{&r, &r}); err == nil {
			if _, err := json.Marshal(m); err != nil {
				t.Fatalf("a merged result cannot be written: %v", err)
			}
		}
	})
}
