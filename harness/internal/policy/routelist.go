package policy

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/internal/shipped"
)

// listIDs is from how many values a parameter of a listed path is drawn.
const listIDs = 50

// maxListed is how many routes a list may become.
const maxListed = 20_000

var parameter = regexp.MustCompile(`\{[A-Za-z_][A-Za-z0-9_]*\}`)

// expand writes lists of routes out: those that routes name, and the traffic to them. Files are sought in dir.
func (p *Policy) expand(dir string) error {
	var routes []Route
	for i, r := range p.Routes {
		if r.List == "" {
			routes = append(routes, r)
			continue
		}
		shapes, err := listed(dir, r.List, r.Count)
		if err != nil {
			return fmt.Errorf("routes[%d].list: %w", i, err)
		}
		for _, s := range shapes {
			routes = append(routes, shapeRoute(r.Path+s))
		}
	}
	var traffic []Traffic
	for i, t := range p.Traffic {
		if t.List == "" {
			traffic = append(traffic, t)
			continue
		}
		shapes, err := listed(dir, t.List, t.Count)
		if err != nil {
			return fmt.Errorf("traffic[%d].list: %w", i, err)
		}
		for n, s := range shapes {
			one := t
			one.List, one.Name = "", fmt.Sprintf("%s-%d", path.Base(strings.TrimSuffix(t.List, path.Ext(t.List))), n+1)
			one.Path = t.Path + parameter.ReplaceAllString(s, "x"+load.Placeholder)
			one.IDs = 0
			if strings.Contains(one.Path, load.Placeholder) {
				one.IDs = listIDs
			}
			traffic = append(traffic, one)
		}
	}
	p.Routes, p.Traffic = routes, traffic
	return nil
}

// shapeRoute is the route of a path with parameters, each of which is one segment.
func shapeRoute(shape string) Route {
	if !parameter.MatchString(shape) {
		return Route{Kind: RouteExact, Path: shape}
	}
	var b strings.Builder
	end := 0
	for _, at := range parameter.FindAllStringIndex(shape, -1) {
		b.WriteString(regexp.QuoteMeta(shape[end:at[0]]) + "[^/]+")
		end = at[1]
	}
	b.WriteString(regexp.QuoteMeta(shape[end:]))
	return Route{Kind: RouteRegex, Path: b.String()}
}

// listed are the paths of a file, a line each, but for empty lines and comments. With a count they are that many: the list is repeated
// below /2, /3 and so on.
func listed(dir, file string, count int) ([]string, error) {
	b, err := shipped.ReadFile(path.Join(dir, file))
	if err != nil {
		return nil, err
	}
	var out []string
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case !strings.HasPrefix(line, "/") || strings.ContainsAny(parameter.ReplaceAllString(line, ""), " \t\"';{}\\"):
			return nil, fmt.Errorf("%s, line %d: %q is not allowed: want a path that begins with /, with parameters in braces", file, n, line)
		case slices.Contains(out, line):
			return nil, fmt.Errorf("%s, line %d: %q is there twice", file, n, line)
		}
		out = append(out, line)
	}
	if len(out) == 0 || count < 0 || count > maxListed {
		return nil, fmt.Errorf("%s: %d paths, count %d: want a path or more, and a count of 0 to %d", file, len(out), count, maxListed)
	}
	for n, one := 0, len(out); len(out) < count; n++ {
		out = append(out, fmt.Sprintf("/%d%s", 2+n/one, out[n%one]))
	}
	if count > 0 {
		out = out[:count]
	}
	return out, nil
}
