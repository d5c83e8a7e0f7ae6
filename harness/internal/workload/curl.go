package workload

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// parseCurl reads shell commands and takes those that call curl, one request for each URL. Nothing is executed, and no variable has a
// value: a word that needs one is an error.
func parseCurl(b []byte, o Options, take func(record)) error {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(dropPrompts(b)), "")
	if err != nil {
		return fmt.Errorf("shell syntax: %w", err)
	}
	found := 0
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || err != nil || len(call.Args) == 0 || !slices.Contains([]string{"curl", "curl.exe"}, call.Args[0].Lit()) {
			return err == nil
		}
		found++
		var words []string
		if words, err = literals(call.Args[1:]); err != nil {
			err = fmt.Errorf("line %d: %w", call.Pos().Line(), err)
			return false
		}
		readCurl(words, o, take)
		return false
	})
	if err == nil && found == 0 {
		err = errors.New("no command curl: want curl [options] URL")
	}
	return err
}

// dropPrompts removes the $ in front of copied commands.
func dropPrompts(b []byte) []byte {
	lines := bytes.SplitAfter(b, []byte("\n"))
	for i, line := range lines {
		lines[i] = bytes.TrimPrefix(line, []byte("$ "))
	}
	return bytes.Join(lines, nil)
}

// literals are words without their quotes.
func literals(words []*syntax.Word) (_ []string, err error) {
	config := &expand.Config{Env: expand.FuncEnviron(func(string) string { return "" }), NoUnset: true}
	for _, w := range words {
		syntax.Walk(w, func(n syntax.Node) bool {
			switch n.(type) {
			case *syntax.CmdSubst, *syntax.ProcSubst, *syntax.ParamExp, *syntax.ArithmExp:
				err = errors.New("variables and substitutions of the shell are not allowed: write their values")
			}
			return err == nil
		})
		if err != nil {
			return nil, err
		}
	}
	return expand.Fields(config, words...)
}

// command is what the options of one curl command say.
type command struct {
	record
	urls    []string
	data    []string
	get     bool
	head    bool
	hasData bool
	json    bool
}

// readCurl gives the requests of one command to take.
func readCurl(words []string, o Options, take func(record)) {
	c := &command{}
	for _, s := range settings(words) {
		if s.name == "" {
			c.urls = append(c.urls, s.value)
			continue
		}
		c.option(s.name, s.value, o)
	}
	c.body = strings.Join(c.data, "&")
	switch {
	case c.get:
		c.addQuery()
	case c.hasData && c.method == "":
		c.method = "POST"
	}
	if c.head && c.method == "" {
		c.method = "HEAD"
	}
	if c.method == "" {
		c.method = "GET"
	}
	switch {
	case c.json:
		c.byDefault("Content-Type", "application/json")
		c.byDefault("Accept", "application/json")
	case c.body != "":
		c.byDefault("Content-Type", "application/x-www-form-urlencoded")
	}
	if len(c.urls) == 0 {
		take(record{leftOut: reasonTarget})
	}
	for _, u := range c.urls {
		r := c.record
		if r.target = u; !strings.Contains(u, "://") && !strings.HasPrefix(u, "/") {
			r.target = "http://" + u // as curl itself does
		}
		take(r)
	}
}

// byDefault adds a header that no option gave.
func (c *command) byDefault(name, value string) {
	if !slices.ContainsFunc(c.header, func(f field) bool { return strings.EqualFold(f.name, name) }) {
		c.header = append(c.header, field{name: name, value: value})
	}
}

// addQuery puts the data into the URLs, as --get does.
func (c *command) addQuery() {
	for i, u := range c.urls {
		if c.body == "" {
			break
		}
		u, _, _ = strings.Cut(u, "#")
		sign := "?"
		if strings.Contains(u, "?") {
			sign = "&"
		}
		c.urls[i] = u + sign + c.body
	}
	c.body = ""
}

// option applies one option.
func (c *command) option(name, value string, o Options) {
	switch name {
	case "-X", "--request":
		c.method = value
	case "--url":
		c.urls = append(c.urls, value)
	case "-H", "--header":
		if n, v, ok := strings.Cut(value, ":"); ok && strings.TrimSpace(v) != "" {
			c.header = append(c.header, field{name: n, value: v})
		}
	case "-A", "--user-agent":
		c.header = append(c.header, field{name: "User-Agent", value: value})
	case "-e", "--referer":
		c.header = append(c.header, field{name: "Referer", value: value})
	case "-b", "--cookie":
		if strings.Contains(value, "=") { // else it is a file
			c.header = append(c.header, field{name: "Cookie", value: value})
		}
	case "-r", "--range":
		c.header = append(c.header, field{name: "Range", value: "bytes=" + value})
	case "-u", "--user":
		user, password, _ := strings.Cut(value, ":")
		c.header = append(c.header, field{name: "Authorization", value: basic(user, password)})
	case "--oauth2-bearer":
		c.header = append(c.header, field{name: "Authorization", value: "Bearer " + value})
	case "-d", "--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--json":
		c.addData(name, value, o)
	case "-G", "--get":
		c.get = true
	case "-I", "--head":
		c.head = true
	case "-F", "--form", "--form-string":
		c.leftOut = reasonForm
	default:
		if !slices.Contains(curlSwitches, name) && !slices.Contains(curlValues, name) {
			c.leftOut = reasonOptions
		}
	}
}

// addData appends a body, or a part of it.
func (c *command) addData(name, value string, o Options) {
	c.hasData = true
	if name == "--data-urlencode" {
		key, rest, ok := strings.Cut(value, "=")
		switch {
		case strings.Contains(value, "@") && (!ok || strings.Contains(key, "@")):
			c.leftOut = reasonFile
		case !ok:
			value = url.QueryEscape(value)
		case key == "":
			value = url.QueryEscape(rest)
		default:
			value = key + "=" + url.QueryEscape(rest)
		}
	} else if file, ok := strings.CutPrefix(value, "@"); ok && name != "--data-raw" {
		var why string
		if value, why = readBody(o, file); why != "" {
			c.leftOut = why
		}
		if name != "--data-binary" && name != "--json" { // these alone keep line breaks
			value = strings.NewReplacer("\r", "", "\n", "").Replace(value)
		}
	}
	if name == "--json" {
		c.data = []string{strings.Join(c.data, "") + value}
		c.json = true
		return
	}
	c.data = append(c.data, value)
}
