package engine

import (
	"encoding/json"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// An attack that a worker is sent is refused, or can be planned and drawn from:
// the request of every draw is one that the parser of a server takes.
func FuzzAttack(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"model":"open","target":"http://127.0.0.1:1","rate":10,"duration":1000000000,"requests":[{"name":"a","path":"/"}]}`,
		`{"model":"closed","target":"http://h:1","connections":2,"duration":1,` +
			`"requests":[{"name":"a","path":"/{id}","ids":7,"zipf":1.1}],"consumers":[{"name":"c","keys":["k"],"weight":1}]}`,
		`{"model":"closed","target":"http://h","connections":1,"duration":1,"requests":[{"name":"a","method":"POST","path":"/","body":"e30="}]}`,
		`{"model":"probes","target":"http://[::1]:1","rate":1e308,"requests":[{"name":"a","path":"\r\n"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var a load.Attack
		if json.Unmarshal(b, &a) != nil {
			return
		}
		for _, r := range a.Requests {
			if r.IDs > 100_000 {
				return // a table of a million weights shows nothing else
			}
		}
		p, err := newPlan(a)
		if err != nil {
			return
		}
		random := newStream(a.Seed, 1)
		for range 10 {
			if out := p.append(nil, p.draw(&random)); len(out) == 0 {
				t.Fatal("an empty request")
			}
		}
	})
}
