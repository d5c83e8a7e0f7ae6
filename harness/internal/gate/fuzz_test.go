package gate

import (
	"encoding/json"
	"io"
	"testing"
)

// A gate.json may be from anywhere: what is taken can be decided on, as a
// baseline too, and be written down.
func FuzzParse(f *testing.F) {
	good := record(3, 1, 1, 0.01)
	good.Schema = SchemaV1
	b, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, s := range []string{
		"", "{}", `{"schema":"gatelab/gate/v1"}`,
		`{"schema":"gatelab/gate/v1","workloads":["a"],"samples":[{"workload":"a","round":1,"arm":"base","cpu_us_per_request":0}]}`,
		`{"schema":"gatelab/gate/v1","workloads":["a","b"],"samples":[{"workload":"a","round":2000000000,"arm":"head","failed":2,"requests":1}]}`,
		`{"schema":"gatelab/gate/v1","workloads":["a"],"samples":[` +
			`{"workload":"a","round":2,"arm":"head","p99_ms":-1e308,"cpu_us_per_request":1e308}]}`,
	} {
		f.Add([]byte(s))
	}
	now := record(3, 1, 1, 0.01)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return
		}
		r, err := parse(b)
		if err != nil {
			return
		}
		if r.Measured() > 50 || len(r.Workloads) > 20 {
			return // takes its time, and shows nothing else
		}
		for _, d := range []Decision{Decide(r, r.Measured()), Against(r, now, now.Measured()), Against(now, r, r.Measured())} {
			if err := Markdown(io.Discard, r, d); err != nil {
				t.Fatal(err)
			}
			if err := JUnit(io.Discard, d); err != nil {
				t.Fatal(err)
			}
		}
	})
}
