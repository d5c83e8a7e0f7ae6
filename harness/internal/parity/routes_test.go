package parity

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/policy"
)

// routed says whether a path has a route.
func (g *gateway) routed(path string) bool {
	if g.routes == nil {
		var all []string
		for _, r := range g.policy.Routes {
			for _, p := range r.Paths() {
				switch r.Kind {
				case policy.RouteExact:
					p = "^" + regexp.QuoteMeta(p) + "$"
				case policy.RoutePrefix:
					p = "^" + regexp.QuoteMeta(p)
				default:
					p = "^" + p + "$"
				}
				all = append(all, p)
			}
		}
		for _, p := range all[:len(all)-g.fewer] {
			g.routes = append(g.routes, regexp.MustCompile(p))
		}
	}
	return slices.ContainsFunc(g.routes, func(r *regexp.Regexp) bool { return r.MatchString(path) })
}

// stream passes an answer on as it comes.
func (g *gateway) stream(w http.ResponseWriter, r *http.Request, body []byte) {
	if g.holds {
		g.send(w, g.forward(r, body))
		return
	}
	out, _ := http.NewRequest(r.Method, "http://"+g.origin+r.RequestURI, bytes.NewReader(body))
	res, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	for k, v := range res.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(res.StatusCode)
	part := make([]byte, 512)
	for {
		n, err := res.Body.Read(part)
		_, _ = w.Write(part[:n])
		_ = http.NewResponseController(w).Flush()
		if err != nil {
			return
		}
	}
}
