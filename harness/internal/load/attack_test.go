package load

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	good := func() Attack {
		return Attack{Model: Closed, Target: "http://127.0.0.1:1", Connections: 1, Duration: time.Second,
			Requests: []Request{{Name: "a", Path: "/"}}, Consumers: []ConsumerGroup{{Name: "g", Keys: []string{"k"}}}}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		want   string
		change func(*Attack)
	}{
		{want: "tls", change: func(a *Attack) { a.Target = "https://127.0.0.1" }},
		{want: "target", change: func(a *Attack) { a.Target = "http://127.0.0.1/path" }},
		{want: "model", change: func(a *Attack) { a.Model = "wide" }},
		{want: "trace", change: func(a *Attack) { a.Trace = true }},
		{want: "connections", change: func(a *Attack) { a.Connections = 0 }},
		{want: "rate", change: func(a *Attack) { a.Model = Open }},
		{want: "rate", change: func(a *Attack) { a.Model, a.Rate = Open, math.NaN() }},
		{want: "duration", change: func(a *Attack) { a.Duration = 0 }},
		{want: "warmup", change: func(a *Attack) { a.Warmup = -1 }},
		{want: "timeout", change: func(a *Attack) { a.Timeout = -1 }},
		{want: "sample_every", change: func(a *Attack) { a.SampleEvery = -1 }},
		{want: "requests", change: func(a *Attack) { a.Requests = nil }},
		{want: "requests[0].name", change: func(a *Attack) { a.Requests[0].Name = "" }},
		{want: "requests[1].name", change: func(a *Attack) { a.Requests = append(a.Requests, a.Requests[0]) }},
		{want: "requests[0].path", change: func(a *Attack) { a.Requests[0].Path = "models" }},
		{want: "requests[0].path", change: func(a *Attack) { a.Requests[0].Path = "/a\r\nX: y" }},
		{want: "requests[0].method", change: func(a *Attack) { a.Requests[0].Method = "GET /" }},
		{want: "requests[0].ids", change: func(a *Attack) { a.Requests[0].Path = "/{id}" }},
		{want: "requests[0].weight", change: func(a *Attack) { a.Requests[0].Weight = math.Inf(1) }},
		{want: "requests[0].zipf", change: func(a *Attack) { a.Requests[0].Zipf = -1 }},
		{want: "requests[0].header", change: func(a *Attack) { a.Requests[0].Header = map[string]string{"A": "b\nc"} }},
		{want: "requests[0].header", change: func(a *Attack) { a.Requests[0].Header = map[string]string{"content-length": "5"} }},
		{want: "requests[0].consumers", change: func(a *Attack) { a.Requests[0].Consumers = []string{"nobody"} }},
		{want: "requests[0].expect", change: func(a *Attack) { a.Requests[0].Expect = []int{600} }},
		{want: "consumers[0].keys", change: func(a *Attack) { a.Consumers[0].Keys = nil }},
		{want: "consumers[0].keys", change: func(a *Attack) { a.Consumers[0].Keys = []string{"a\r\nb"} }},
		{want: "consumers[1].name", change: func(a *Attack) { a.Consumers = append(a.Consumers, a.Consumers[0]) }},
	} {
		a := good()
		row.change(&a)
		if err := a.Validate(); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%v, want an error about %s", err, row.want)
		}
	}
}
