package proxycache

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/internal/testenv"
)

// step is a request, what the origin answers should it be asked, and what the client
// must see. Fields are lines of "Name: value".
type step struct {
	method string // "": GET
	path   string // after the case's own
	send   string // fields of the request

	status int    // of the origin; 0: 200
	answer string // its fields
	text   string // its body; "": one that it has never sent before

	asked bool   // the origin must be asked; else it must not
	told  string // a field that it must have been sent, as it is; "Name:" for one that it must not

	want int    // status; 0: 200
	body string // "": unless the origin was asked, that of the last answer with 200 that had one
	age  int    // Age is at least this
	has  string // fields that the client gets; "Name:" for one that it must not
}

// script is the origin of one case.
type script struct {
	mu    sync.Mutex
	step  step
	asked []http.Header
	sent  int // answers of the origin
}

func (s *script) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Header.Clone())
	s.sent++
	for line := range lines(s.step.answer) {
		name, value, _ := strings.Cut(line, ": ")
		w.Header()[http.CanonicalHeaderKey(name)] = append(w.Header()[http.CanonicalHeaderKey(name)], value)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/html")
	}
	w.WriteHeader(max(s.step.status, 200))
	text := s.step.text
	if text == "" {
		text = fmt.Sprint("answer ", s.sent)
	}
	_, _ = io.WriteString(w, text)
}

func lines(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.SplitSeq(s, "\n") {
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	}
}

// origins are the scripts, by the first part of a path.
type origins struct{ by sync.Map }

func (o *origins) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if s, ok := o.by.Load(name); ok {
		s.(*script).answer(w, r)
		return
	}
	http.NotFound(w, r)
}

// conformance is a gateway with a store of one kind in front of scripted origins.
type conformance struct {
	*plugintest.Gateway
	origins *origins
}

// strategies runs a test with each kind of store.
func strategies(t *testing.T, run func(t *testing.T, config entity.Record)) {
	t.Run("memory", func(t *testing.T) { run(t, entity.Record{"strategy": "memory"}) })
	t.Run("redis", func(t *testing.T) {
		host, port, err := net.SplitHostPort(testenv.Redis(t))
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(port)
		run(t, entity.Record{"strategy": "redis", "redis": entity.Record{"host": host, "port": n}})
	})
}

func conform(t *testing.T, config entity.Record) *conformance {
	t.Helper()
	o := &origins{}
	g := plugintest.Start(t, 0, o, []plugin.Definition{Definition()}, entity.Record{"name": "proxy-cache", "config": config})
	return &conformance{g, o}
}

// play goes through the steps of a case.
func (c *conformance) play(t *testing.T, steps []step) {
	t.Helper()
	name := fmt.Sprintf("c%x", rand.Uint64())
	s := &script{}
	c.origins.by.Store(name, s)
	last := ""
	for i, st := range steps {
		at := fmt.Sprintf("step %d", i+1)
		st.answer = strings.ReplaceAll(st.answer, "{case}", "/"+name)
		s.mu.Lock()
		s.step, s.asked = st, nil
		s.mu.Unlock()
		res, body := c.Send(t, orGet(st.method), "/"+name+st.path, "", slices.Collect(lines(strings.ReplaceAll(st.send, ": ", ":")))...)
		s.mu.Lock()
		asked := s.asked
		s.mu.Unlock()
		if len(asked) > 1 || (len(asked) == 1) != st.asked {
			t.Errorf("%s: the origin was asked %d times, want %t; %s", at, len(asked), st.asked, res.Header)
		}
		if len(asked) == 1 {
			checkFields(t, at+", to the origin", asked[0], st.told)
		}
		if want := max(st.want, 200); res.StatusCode != want {
			t.Errorf("%s: %d, want %d; %s", at, res.StatusCode, want, res.Header)
		}
		want := st.body
		if want == "" && !st.asked && res.StatusCode == http.StatusOK && orGet(st.method) == http.MethodGet {
			want = last
		}
		if want != "" && body != want {
			t.Errorf("%s: body %q, want %q", at, body, want)
		}
		if st.asked && res.StatusCode == http.StatusOK && orGet(st.method) == http.MethodGet {
			last = body
		}
		if age, _ := strconv.Atoi(res.Header.Get("Age")); st.age > 0 && (age < st.age || age > st.age+60) {
			t.Errorf("%s: Age %q, want %d", at, res.Header.Get("Age"), st.age)
		}
		checkFields(t, at, res.Header, st.has)
	}
}

func orGet(method string) string {
	if method == "" {
		return http.MethodGet
	}
	return method
}

func checkFields(t *testing.T, at string, h http.Header, want string) {
	t.Helper()
	for line := range lines(want) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if got := strings.Join(h.Values(name), ", "); got != value && (value == "" || !strings.HasSuffix(value, "*") ||
			!strings.HasPrefix(got, strings.TrimSuffix(value, "*"))) {
			t.Errorf("%s: %s: %q, want %q", at, name, got, value)
		}
	}
}

// date is that many seconds from now, as HTTP has it.
func date(seconds int) string {
	return time.Now().Add(time.Duration(seconds) * time.Second).UTC().Format(http.TimeFormat)
}

// once is a case in which one answer is stored, or is not.
type once struct {
	name   string
	answer string
	status int
	send   string // of both requests
	kept   bool
}

func (o *once) steps() []step {
	st := step{status: o.status, answer: o.answer, send: o.send, asked: true, want: o.status}
	again := st
	again.asked = !o.kept
	return []step{st, again}
}
