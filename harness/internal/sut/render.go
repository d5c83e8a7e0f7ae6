package sut

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/gatelab/gatelab/harness/internal/policy"
)

// render fills in a template of a configuration file.
func render(name, text string, data any) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{
		"quote":     strconv.Quote,
		"variable":  func(h string) string { return strings.ReplaceAll(strings.ToLower(h), "-", "_") },
		"lower":     strings.ToLower,
		"seconds":   func(d time.Duration) int64 { return int64(d / time.Second) },
		"burst":     func(l policy.Limit) int { return max(l.Requests-1, 0) },
		"nginxRate": nginxRate,
		"removed": func(h policy.Headers, name string) bool {
			return slices.ContainsFunc(h.Remove, func(r string) bool { return strings.EqualFold(r, name) })
		},
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse the template of %s: %w", name, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// nginxRate is a limit as requests per second or per minute, in whole numbers: nginx knows no others.
func nginxRate(l policy.Limit) string {
	perSecond := float64(l.Requests) / l.Window.Seconds()
	if perSecond >= 1 && perSecond == float64(int(perSecond)) {
		return fmt.Sprintf("%dr/s", int(perSecond))
	}
	return fmt.Sprintf("%dr/m", max(int(perSecond*60), 1))
}

// split is the host and the port of an address; the host may be empty.
func split(addr string) (host, port string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", addr
	}
	return host, port
}
