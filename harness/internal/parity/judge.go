package parity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/policy"
)

// judge says where an answer is not what a probe wants. all are the arm's answers so far.
func judge(pr *policy.Probe, a *Answer, all []Answer) []string {
	wrong := append(statuses(pr, a), a.Said...)
	if pr.Reach != nil && !pr.Reach.Holds(a.Reached) {
		wrong = append(wrong, fmt.Sprintf("%d requests reached the origin, want %s", a.Reached, between(pr.Reach)))
	}
	if pr.Spread && slices.ContainsFunc(a.Spread, func(n int) bool { return n*2*len(a.Spread) < pr.Count }) {
		wrong = append(wrong, fmt.Sprintf("of %d requests the origins got %v: they are not asked in turn", pr.Count, a.Spread))
	}
	for _, name := range slices.Sorted(maps.Keys(pr.Has)) {
		if got := strings.Join(a.Header.Values(name), ", "); !strings.EqualFold(got, pr.Has[name]) {
			wrong = append(wrong, fmt.Sprintf("header %s is %q, want %q", name, got, pr.Has[name]))
		}
	}
	for _, name := range pr.Lacks {
		if got := a.Header.Values(name); len(got) > 0 {
			wrong = append(wrong, fmt.Sprintf("header %s is there: %q", name, strings.Join(got, ", ")))
		}
	}
	if len(pr.JSON)+len(pr.NoJSON) > 0 {
		var body any
		if err := json.Unmarshal(a.Body, &body); err != nil {
			wrong = append(wrong, fmt.Sprintf("the body is no JSON: %v", err))
		} else {
			wrong = append(wrong, fields("the body's", body, pr.JSON, pr.NoJSON)...)
		}
	}
	if !pr.Seen.Empty() {
		wrong = append(wrong, seen(&pr.Seen, a)...)
	}
	if a.Ahead < pr.Ahead {
		wrong = append(wrong, fmt.Sprintf("the body began %s before its end, want %s or more: it does not come as the origin sends it",
			a.Ahead.Round(time.Millisecond), pr.Ahead))
	}
	if pr.Differs != "" {
		i := slices.IndexFunc(all, func(o Answer) bool { return o.Probe == pr.Differs })
		if i >= 0 && bytes.Equal(all[i].Body, a.Body) {
			wrong = append(wrong, fmt.Sprintf("the body is that of %q", pr.Differs))
		}
	}
	return wrong
}

// statuses judges the status, or how many requests had which.
func statuses(pr *policy.Probe, a *Answer) []string {
	if pr.Passes == nil {
		for status, n := range a.Statuses {
			if status != pr.Status {
				return []string{fmt.Sprintf("status %d (%d of %d), want %d", status, n, max(pr.Count, 1), pr.Status)}
			}
		}
		return nil
	}
	refused := pr.Refused
	if refused == 0 {
		refused = 429
	}
	var wrong []string
	if n := a.Statuses[pr.Status]; !pr.Passes.Holds(n) {
		wrong = append(wrong, fmt.Sprintf("%d of %d requests had status %d, want %s", n, pr.Count, pr.Status, between(pr.Passes)))
	}
	if others := pr.Count - a.Statuses[pr.Status] - a.Statuses[refused]; others > 0 {
		wrong = append(wrong, fmt.Sprintf("%d requests had neither status %d nor %d: %v", others, pr.Status, refused, a.Statuses))
	}
	return wrong
}

// seen judges what the origin saw.
func seen(want *policy.Sight, a *Answer) []string {
	echo, err := echoOf(a.Body)
	if err != nil {
		return []string{fmt.Sprintf("the body is not the origin's echo: %v", err)}
	}
	var wrong []string
	header := func(name string) (string, bool) {
		for k, v := range echo.Headers {
			if strings.EqualFold(k, name) {
				return v, true
			}
		}
		return "", false
	}
	for _, name := range slices.Sorted(maps.Keys(want.Has)) {
		if got, _ := header(name); got != want.Has[name] {
			wrong = append(wrong, fmt.Sprintf("the origin saw header %s: %q, want %q", name, got, want.Has[name]))
		}
	}
	for _, name := range want.Lacks {
		if got, there := header(name); there {
			wrong = append(wrong, fmt.Sprintf("the origin saw header %s: %q", name, got))
		}
	}
	if want.Path != "" && echo.URL != want.Path {
		wrong = append(wrong, fmt.Sprintf("the origin saw path %q, want %q", echo.URL, want.Path))
	}
	if len(want.JSON)+len(want.NoJSON) > 0 {
		wrong = append(wrong, fields("the body that the origin saw:", echo.JSON, want.JSON, want.NoJSON)...)
	}
	return wrong
}

// fields judges a JSON value by dotted paths.
func fields(where string, body any, want map[string]any, lacks []string) []string {
	var wrong []string
	for _, path := range slices.Sorted(maps.Keys(want)) {
		got, there := field(body, path)
		if !there || !equal(got, want[path]) {
			wrong = append(wrong, fmt.Sprintf("%s field %s is %v, want %v", where, path, got, want[path]))
		}
	}
	for _, path := range lacks {
		if got, there := field(body, path); there {
			wrong = append(wrong, fmt.Sprintf("%s field %s is there: %v", where, path, got))
		}
	}
	return wrong
}

func field(v any, path string) (any, bool) {
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

// equal compares what JSON gave with what YAML gave: numbers by value.
func equal(got, want any) bool {
	if reflect.DeepEqual(got, want) {
		return true
	}
	return fmt.Sprint(got) == fmt.Sprint(want)
}

func between(r *policy.Range) string {
	if r.Min == r.Max {
		return fmt.Sprint(r.Min)
	}
	return fmt.Sprintf("%d to %d", r.Min, r.Max)
}

// Differences says where an arm's answers differ from the reference's, for the probes whose answers are to be the same.
func Differences(p *policy.Policy, reference, other *Answers) []string {
	var out []string
	for i := range p.Probes {
		pr := &p.Probes[i]
		if !pr.Same || i >= len(reference.Answers) || i >= len(other.Answers) {
			continue
		}
		a, b := &reference.Answers[i], &other.Answers[i]
		if a.Status != b.Status {
			out = append(out, fmt.Sprintf("%s: status %d, %s has %d", pr.Name, b.Status, reference.Arm, a.Status))
		}
		for _, name := range policy.SameHeaders() {
			va, vb := strings.Join(a.Header.Values(name), ", "), strings.Join(b.Header.Values(name), ", ")
			if va != vb {
				out = append(out, fmt.Sprintf("%s: header %s is %q, %s has %q", pr.Name, name, vb, reference.Arm, va))
			}
		}
		if !bytes.Equal(a.Body, b.Body) {
			out = append(out, fmt.Sprintf("%s: a body of %d bytes (%s), %s has %d (%s)", pr.Name, len(b.Body), digest(b.Body),
				reference.Arm, len(a.Body), digest(a.Body)))
		}
	}
	return out
}
