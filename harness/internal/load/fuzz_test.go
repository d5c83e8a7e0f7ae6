package load

import (
	"encoding/json"
	"testing"
)

// An attack that a worker is sent is refused, or can be planned and drawn from:
// the request of every draw is one that the parser of a server takes.
func FuzzAttack(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"model":"open","target":"http://127.0.0.1:1","rate":10,"duration":1000000000,"requests":[{"name":"a","path":"/"}]}`,
		`{"model":"closed","target":"http://h:1","connections":2,"duration":1,"requests":[{"name":"a","path":"/{id}","ids":7,"zipf":1.1}],"consumers":[{"name":"c","keys":["k"],"weight":1}]}`,
		`{"model":"closed","target":"http://h","connections":1,"duration":1,"requests":[{"name":"a","method":"POST","path":"/","body":"e30="}]}`,
		`{"model":"probes","target":"http://[::1]:1","rate":1e308,"requests":[{"name":"a","path":"\r\n"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var a Attack
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

// A worker's answer is refused, or can be merged with another's.
func FuzzResult(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"attack":{"id":"a","duration":1000000000},"requests":3,"successes":2,"status":{"200":2},"errors":{"eof":1},"series":[{"offset":-5}]}`,
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

// Files of the kernel's are read, or not known.
func FuzzKernelFiles(f *testing.F) {
	f.Add("200000 100000\n", []byte("TCP: inuse 5 orphan 0 tw 12 alloc 9 mem 1\n"))
	f.Add("max 100000\n", []byte("TCP: inuse 5 tw "))
	f.Add("NaN 0", []byte(" tw \n"))
	f.Add("1 +Inf", []byte(" tw 99999999999999999999"))
	f.Fuzz(func(t *testing.T, cpuMax string, sockstat []byte) {
		if n := parseCPUMax(cpuMax, 4); !(n > 0 && n <= 4) {
			t.Fatalf("cpu.max %q: %v cores of 4", cpuMax, n)
		}
		parseTimeWait(sockstat)
	})
}
