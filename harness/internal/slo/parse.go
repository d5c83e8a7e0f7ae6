package slo

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Objective is one thing that is asked of a measurement.
type Objective struct {
	Metric string
	Of     string  // a request, a role or a node; empty: all requests, or the gateways
	Op     string  // <, <=, > or >=
	Limit  float64 // in the metric's unit
}

// Objectives are asked together. The zero value asks nothing.
type Objectives []Objective

// Error is a mistake in a text of objectives.
type Error struct {
	Text    string // of the objective
	Column  int    // in the whole text, from 1
	Message string
}

// Error names the objective, the column and what is allowed.
func (e *Error) Error() string {
	return fmt.Sprintf("slo: %q is not allowed: column %d: %s", e.Text, e.Column, e.Message)
}

// Parse reads objectives that are separated by commas: "p99 < 250ms, errors < 2%, p99{login} < 400ms". Text that is wrong is an *Error.
func Parse(text string) (Objectives, error) {
	var out Objectives
	at := 0
	for _, part := range strings.Split(text, ",") {
		o, err := parseOne(part, at)
		if err != nil {
			return nil, err
		}
		if out.has(o.Metric, o.Of) {
			return nil, &Error{
				Text: strings.TrimSpace(part), Column: column(part, at, 0), Message: o.subject() + " has an objective already: want one",
			}
		}
		out = append(out, o)
		at += len(part) + 1
	}
	return out, nil
}

// objectivePattern takes an objective apart; each piece is checked by itself.
var objectivePattern = regexp.MustCompile(`^\s*([^\s{}<>=!]*)\s*(\{[^{}]*\})?\s*([<>=!]*)\s*(.*?)\s*$`)

// column is the place of a byte of a part that begins at byte at of the text, behind the part's leading blanks.
func column(part string, at, offset int) int {
	lead := len(part) - len(strings.TrimLeft(part, " \t\n"))
	return at + max(lead, offset) + 1
}

// Subject is what a key such as p99{login} is about: an objective without a limit. Text that is wrong is an *Error.
func Subject(key string) (Objective, error) {
	name, _, _ := strings.Cut(key, "{")
	m := metricOf(strings.TrimSpace(name))
	if m == nil {
		return Objective{}, &Error{Text: key, Column: 1, Message: unknownMetric(name).Error()}
	}
	limit := strings.TrimPrefix(m.example(), m.name)
	o, err := parseOne(key+limit, 0)
	if err != nil {
		var wrong *Error
		if errors.As(err, &wrong) {
			wrong.Text = key
		}
		return Objective{}, err
	}
	o.Op, o.Limit = "", 0
	return o, nil
}

func parseOne(part string, at int) (Objective, error) {
	m := objectivePattern.FindStringSubmatchIndex(part)
	piece := func(i int) string {
		if m[2*i] < 0 {
			return ""
		}
		return part[m[2*i]:m[2*i+1]]
	}
	wrong := func(i int, format string, args ...any) (Objective, error) {
		offset := 0
		if i > 0 && m[2*i] >= 0 {
			offset = m[2*i]
		}
		return Objective{}, &Error{Text: strings.TrimSpace(part), Column: column(part, at, offset), Message: fmt.Sprintf(format, args...)}
	}
	if m == nil || strings.TrimSpace(part) == "" {
		m = nil
		return wrong(0, "want an objective, such as p99<250ms or errors<2%%")
	}
	of := metricOf(piece(1))
	if of == nil {
		return wrong(1, "%s", unknownMetric(piece(1)).Error())
	}
	o := Objective{Metric: of.name, Op: piece(3)}
	if braces := piece(2); braces != "" {
		o.Of = strings.TrimSpace(strings.Trim(braces, "{}"))
		if message := of.wrongOf(o.Of); message != "" {
			return wrong(2, "%s", message)
		}
	}
	if message := of.wrongOp(o.Op); message != "" {
		return wrong(3, "%s", message)
	}
	limit, message := of.limit(piece(4))
	if message == "" {
		o.Limit = limit
		message = o.never()
	}
	if message != "" {
		return wrong(4, "%s", message)
	}
	return o, nil
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// wrongOf says what is wrong with the text in the metric's braces; empty: nothing.
func (m *metric) wrongOf(name string) string {
	switch {
	case m.of == ofNothing:
		return fmt.Sprintf("%s is of the whole stage: want no {%s}", m.name, name)
	case !namePattern.MatchString(name) && m.of == ofNode:
		return fmt.Sprintf("%q is not the name of a role or a node, such as %s{gateway}", name, m.name)
	case !namePattern.MatchString(name):
		return fmt.Sprintf("%q is not the name of a request, such as %s{login}", name, m.name)
	}
	return ""
}

// wrongOp says what is wrong with a comparison; empty: nothing.
func (m *metric) wrongOp(op string) string {
	want, why := []string{"<", "<="}, "lower"
	if m.higher {
		want, why = []string{">", ">="}, "higher"
	}
	if slices.Contains(want, op) {
		return ""
	}
	said := "the comparison " + strconv.Quote(op) + " is not allowed"
	if op == "" {
		said = "the comparison is missing"
	}
	return fmt.Sprintf("%s: %s is better the %s it is: want %s, as in %s", said, m.name, why, strings.Join(want, " or "), m.example())
}

// limitPattern is a number and its unit, of limits that are no times.
var limitPattern = regexp.MustCompile(`^([0-9]*\.?[0-9]+|[0-9]+\.)\s*([A-Za-z%/]*)$`)

// unitFactors are the units of limits by the metric's unit, in that unit.
var unitFactors = map[Unit]map[string]float64{
	Share:     {"%": 0.01, "": 1},
	PerSecond: {"": 1, "/s": 1, "rps": 1, "qps": 1},
	MiB: {
		"B": 1.0 / (1 << 20), "KiB": 1.0 / (1 << 10), "MiB": 1, "GiB": 1 << 10,
		"KB": 1e3 / (1 << 20), "MB": 1e6 / (1 << 20), "GB": 1e9 / (1 << 20),
	},
}

// timeLimit reads a time as a number of a unit.
func timeLimit(text string, unit time.Duration) (float64, bool) {
	d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	return float64(d) / float64(unit), err == nil && d >= 0 && !strings.HasPrefix(text, "+")
}

// limit reads a limit; the message says what is wrong with it.
func (m *metric) limit(text string) (v float64, message string) {
	want := map[Unit]string{
		Milliseconds: "a time with its unit (us, ms, s or m), as in 250ms",
		Microseconds: "a time with its unit (us, ms or s), as in 200us",
		Share:        "a percentage up to 100%, as in 2%, or a share below 1, as in 0.02",
		PerSecond:    "requests per second, as in 500",
		MiB:          "memory with its unit (KiB, MiB or GiB), as in 256MiB",
	}[m.unit]
	said := fmt.Sprintf("the limit %q is not allowed: %s wants %s", text, m.name, want)
	if text == "" {
		said = fmt.Sprintf("the limit is missing: %s wants %s", m.name, want)
	}
	if unit, ok := map[Unit]time.Duration{Milliseconds: time.Millisecond, Microseconds: time.Microsecond}[m.unit]; ok {
		if v, ok = timeLimit(text, unit); !ok || text == "0" {
			return 0, said
		}
		return v, ""
	}
	parts := limitPattern.FindStringSubmatch(text)
	if parts == nil {
		return 0, said
	}
	factor, ok := unitFactors[m.unit][parts[2]]
	number, err := strconv.ParseFloat(parts[1], 64)
	v = number * factor
	if m.unit == Share && parts[2] == "%" {
		v, err = strconv.ParseFloat(parts[1]+"e-2", 64) // as exact as the text
	}
	// A share of 1 without a unit may be meant as 1%.
	if !ok || err != nil || math.IsInf(v, 0) || m.unit == Share && (v > 1 || v == 1 && parts[2] == "") {
		return 0, said
	}
	return v, ""
}

// never says why the objective cannot be met or missed by any measurement; empty: it can.
func (o Objective) never() string {
	m := metricOf(o.Metric)
	switch {
	case o.Op == "<" && o.Limit == 0:
		return fmt.Sprintf("%s is never below 0: want %s<=0, or a higher limit", o.Metric, o.Metric)
	case o.Limit == 0 && m.unit != Share:
		return "the limit 0 is not allowed: want a number above 0"
	case o.Op == ">" && o.Limit == 1 && m.unit == Share:
		return fmt.Sprintf("%s is never above 100%%: want %s>=100%%, or a lower limit", o.Metric, o.Metric)
	}
	return ""
}
