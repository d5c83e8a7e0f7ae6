package route

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// reference finds a request's route the slow way, straight from the rules:
// every path of every route is tried, and every match compared with the best.
func reference(routes []*entity.Route, req *Request) (index int, prefix string) {
	index = -1
	var best []int64
	for i := range routes {
		paths := routes[i].Paths
		if len(paths) == 0 {
			paths = []string{""}
		}
		for _, p := range paths {
			taken, ok := refMatches(routes[i], p, req)
			if !ok {
				continue
			}
			rank := refRank(routes[i], p)
			if index < 0 || refBetter(rank, best) || equal(rank, best) && routes[i].ID < routes[index].ID {
				index = i
				prefix = req.Path[:taken]
				best = rank
			}
		}
	}
	return index, prefix
}

func equal(a, b []int64) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func refBetter(a, b []int64) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return false
}

// refRank lists what routes are compared by, most important first, larger is
// better.
func refRank(r *entity.Route, path string) []int64 {
	var count, weight int64
	for i, set := range []bool{len(r.SNIs) > 0, len(r.Methods) > 0, path != "", len(r.Headers) > 0, len(r.Hosts) > 0} {
		if set {
			count++
			weight += 1 << i
		}
	}
	var hostRank int64
	if len(r.Hosts) > 0 {
		all := strings.Join(r.Hosts, " ")
		wildPort := refRegexp(`\*\S*:\d|\S\.\*:\d`).MatchString(all)
		switch {
		case strings.Contains(all, "*") && wildPort:
			hostRank = 1
		case strings.Contains(all, "*"):
		case strings.Contains(all, ":"):
			hostRank = 3
		default:
			hostRank = 2
		}
	}
	rank := []int64{count, weight, hostRank, 0, int64(len(r.Headers)), 0, int64(len(path)), -r.CreatedAt}
	if strings.HasPrefix(path, "~") {
		rank[3] = 1
		rank[5] = int64(r.RegexPriority)
		rank[6] = 0
	}
	return rank
}

func refMatches(r *entity.Route, path string, req *Request) (taken int, ok bool) {
	if len(r.Hosts) > 0 && !anyOf(r.Hosts, func(h string) bool { return refHost(h, req) }) {
		return 0, false
	}
	for name, values := range r.Headers {
		if !anyOf(values, func(v string) bool {
			return anyOf(req.Header(strings.ToLower(name)), func(got string) bool { return strings.EqualFold(v, got) })
		}) {
			return 0, false
		}
	}
	if len(r.Methods) > 0 && !anyOf(r.Methods, func(m string) bool { return m == req.Method }) {
		return 0, false
	}
	if len(r.SNIs) > 0 && req.Scheme == "https" && !anyOf(r.SNIs, func(s string) bool { return s == req.SNI }) {
		return 0, false
	}
	if expr, isRegex := strings.CutPrefix(path, "~"); isRegex {
		loc := refRegexp("^(?:" + expr + ")").FindStringIndex(req.Path)
		if loc == nil {
			return 0, false
		}
		return loc[1], true
	}
	return len(path), strings.HasPrefix(req.Path, path)
}

func refHost(h string, req *Request) bool {
	host := strings.ToLower(req.Host)
	if !strings.Contains(host, ":") {
		host += map[string]string{"http": ":80", "https": ":443"}[req.Scheme]
	}
	if !strings.Contains(h, ":") {
		h += ":*"
	}
	expr := strings.ReplaceAll(regexp.QuoteMeta(h), `\*`, `.+`)
	return refRegexp("^" + expr + "$").MatchString(host)
}

// compiled keeps the reference's expressions: compiling them is most of the
// time it takes.
var compiled sync.Map

func refRegexp(expr string) *regexp.Regexp {
	if re, ok := compiled.Load(expr); ok {
		return re.(*regexp.Regexp)
	}
	re := regexp.MustCompile(expr)
	compiled.Store(expr, re)
	return re
}

func anyOf(set []string, f func(string) bool) bool {
	for _, s := range set {
		if f(s) {
			return true
		}
	}
	return false
}

// pick returns up to most of the words, by chance.
func pick(r *rand.Rand, most int, words ...string) []string {
	var out []string
	for range r.IntN(most + 1) {
		out = append(out, words[r.IntN(len(words))])
	}
	return out
}

func randomRoutes(r *rand.Rand) []*entity.Route {
	routes := make([]*entity.Route, 1+r.IntN(25))
	for i := range routes {
		e := &entity.Route{ID: fmt.Sprintf("%03d", i), CreatedAt: int64(r.IntN(3)), RegexPriority: r.IntN(3)}
		e.Hosts = pick(r, 2, "a.com", "x.a.com", "a.com:8000", "*.a.com", "*.com", "a.*", "x.*", "*.a.com:8000", "a.*:80", "b.org")
		e.Paths = pick(r, 3, "/", "/a", "/ab", "/a/b", "/a/bc", "/abc/", "~/a", "~/a\\w", "~/(a|b)/?", "~/a/b(c)?", "~/[^/]+/b", "~.*b", "~^/a")
		e.Methods = pick(r, 2, "GET", "POST", "PUT")
		e.SNIs = pick(r, 1, "a.com", "b.com")
		for _, name := range pick(r, 2, "x", "y", "Z") {
			if e.Headers == nil {
				e.Headers = map[string][]string{}
			}
			e.Headers[name] = append(pick(r, 1, "1", "2"), "3")
		}
		if len(e.Hosts)+len(e.Paths)+len(e.Methods)+len(e.SNIs)+len(e.Headers) == 0 {
			e.Paths = []string{"/"}
		}
		routes[i] = e
	}
	return routes
}

func one(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

func randomRequest(r *rand.Rand) (req Request, headers map[string][]string) {
	headers = map[string][]string{}
	for _, name := range pick(r, 3, "x", "y", "z") {
		headers[name] = append(headers[name], one(r, "1", "2", "3"))
	}
	return Request{
		Method: one(r, "GET", "POST", "HEAD"), Scheme: one(r, "http", "https"), SNI: one(r, "", "a.com", "b.com"),
		Host:   one(r, "a.com", "x.a.com", "A.com:8000", "y.x.a.com:8000", "a.org", "x.com", "com", "b.org:80", "a.com:443"),
		Path:   one(r, "/", "/a", "/ab", "/abc/d", "/a/b", "/a/bcd", "/b", "/c/b", "/x"),
		Header: headerFunc(headers),
	}, headers
}

func differ(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	routes := randomRoutes(r)
	table := mustTable(t, routes...)
	for range 20 {
		req, headers := randomRequest(r)
		want, prefix := reference(routes, &req)
		m, ok := table.Match(&req)
		if !ok {
			m.Index = -1
		}
		if m.Index != want || ok && m.Prefix != prefix {
			t.Fatalf("seed %d: %+v headers %v\ntable: route %d prefix %q\nrules: route %d prefix %q\nroutes: %+v", seed, req, headers, m.Index,
				m.Prefix, want, prefix, routes)
		}
	}
}

func TestTheTableAgreesWithTheRules(t *testing.T) {
	for seed := range uint64(400) {
		differ(t, seed)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(differ)
}
