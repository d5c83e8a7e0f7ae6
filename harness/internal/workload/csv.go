package workload

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/internal/suggest"
)

// columnPattern matches {column} in a template.
var columnPattern = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_.-]*)\}`)

// parseCSV makes one request of the template for each row. The first row has the names of the columns.
func parseCSV(b []byte, o Options, take func(record)) error {
	method, rest, ok := strings.Cut(strings.TrimSpace(o.Template), " ")
	target, body, hasBody := strings.Cut(strings.TrimSpace(rest), " ")
	if !ok || target == "" {
		return fmt.Errorf("template: %q is not allowed: want METHOD PATH [BODY], as in 'GET /users/{id}'", o.Template)
	}
	rows := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
	rows.TrimLeadingSpace = true
	rows.FieldsPerRecord = -1 // a wrong number is one request, not the file
	header, err := rows.Read()
	if err != nil {
		return fmt.Errorf("header row: %w", err)
	}
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	for _, m := range columnPattern.FindAllStringSubmatch(target, -1) {
		if !slices.Contains(header, m[1]) {
			return fmt.Errorf("template: %w", suggest.Unknown("column", m[1], header))
		}
	}
	for {
		row, err := rows.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("row: %w", err)
		case len(row) != len(header):
			take(record{leftOut: reasonLine})
			continue
		}
		r := record{method: method, target: insert(target, header, row, url.PathEscape)}
		if r.body = ""; hasBody {
			r.body = insert(strings.TrimSpace(body), header, row, jsonText)
			r.header = []field{{name: "Content-Type", value: contentType(r.body)}}
		}
		take(r)
	}
}

// insert replaces {column} by the row's value.
func insert(template string, header, row []string, escape func(string) string) string {
	return columnPattern.ReplaceAllStringFunc(template, func(s string) string {
		if i := slices.Index(header, s[1:len(s)-1]); i >= 0 {
			return escape(row[i])
		}
		return s
	})
}

// jsonText is a value within the quotes of a text in JSON; plain values stay what they are.
func jsonText(s string) string {
	q := quote(s)
	return q[1 : len(q)-1]
}

// contentType tells a body of JSON from a form.
func contentType(body string) string {
	if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}
