package entity_test

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/route"
)

// TestWhatTheSchemaTakesCanBeRouted wants the router to refuse nothing that the
// Admin API has stored: one such route would keep every later change from being
// applied.
func TestWhatTheSchemaTakesCanBeRouted(t *testing.T) {
	s, _ := schemas.ByName("routes")
	taken := 0
	for _, body := range []string{
		`{"paths":["/"]}`, `{"paths":["/.."]}`, `{"paths":["/%2e%2e/%"]}`, `{"paths":["/./"]}`, `{"paths":["~/"]}`, `{"paths":["~/("]}`,
		`{"paths":["~/a)(b"]}`, `{"paths":["~/(?=a)"]}`, `{"paths":["~/\\1"]}`, `{"paths":["~/(?<n>a)\\k<n>"]}`,
		`{"hosts":["*.a"]}`, `{"hosts":["a.*"]}`, `{"hosts":["*."]}`, `{"hosts":[".*"]}`,
		`{"hosts":["*"]}`, `{"hosts":["*.a:1"]}`, `{"hosts":["a.*:65535"]}`,
		`{"hosts":["[::1]"]}`, `{"hosts":["::1"]}`, `{"hosts":["[::1]:80"]}`, `{"hosts":["a:0"]}`, `{"hosts":["*.a.*"]}`, `{"hosts":["a*"]}`,
		`{"headers":{"host":["a"]}}`, `{"headers":{"HOST":["a"]}}`, `{"headers":{"x":[]}}`, `{"headers":{"x":null}}`, `{"headers":{"x":["~*a"]}}`,
		`{"headers":{"x":["~*("]}}`, `{"headers":{"x":["~*a)(b"]}}`, `{"headers":{"x":["~*a(?=b)"]}}`, `{"headers":{"x":["~*(","b"]}}`,
		`{"methods":["GET"]}`, `{"methods":[]}`, `{"snis":["a"]}`, `{"snis":["a"],"protocols":["http"]}`, `{"snis":["a"],"protocols":["grpcs"]}`,
		`{"protocols":["tcp"],"paths":["/"]}`, `{"protocols":["tls"],"snis":["a"]}`, `{"protocols":null,"paths":["/"],"regex_priority":null}`,
		`{"paths":["/"],"regex_priority":9007199254740991}`, `{"paths":["/"],"regex_priority":9007199254740993}`,
	} {
		in, err := s.DecodeJSON([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.ProcessInsert(in, time.Now(), "")
		if err != nil {
			continue
		}
		taken++
		one, err := entity.Decode[entity.Route](r)
		if err != nil {
			t.Errorf("%s is taken, and cannot be read: %v", body, err)
			continue
		}
		if _, err := route.New([]*entity.Route{&one}); err != nil {
			t.Errorf("%s is taken, and cannot be routed: %v", body, err)
		}
	}
	if taken < 15 {
		t.Errorf("only %d were taken", taken)
	}
}
