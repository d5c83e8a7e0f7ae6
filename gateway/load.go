package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// loadSettings fills s from its defaults, then the environment (as os.Environ
// gives it), Kong's variables before the gateway's own, then the flags in args. The settings become flags of fs, which
// may have others of its own. It returns the table for those who show it.
// Every wrong setting is named, not just the first.
func loadSettings(s *settings, fs *pflag.FlagSet, args, environ []string) ([]*setting, error) {
	table := newSettings(s)
	kongWrong, ignored := fromKong(table, environ)
	s.ignored = ignored
	errs := fromEnvironment(table, environ)
	addFlags(fs, table)
	if err := fs.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return table, err
	} else if err != nil {
		errs = append(errs, plainFlagError(err, table))
	} else if rest := fs.Args(); len(rest) > 0 {
		errs = append(errs, fmt.Errorf("%q: not expected: settings are flags or variables", rest[0]))
	}
	for _, row := range table {
		if err := kongWrong[row.name]; err != nil && row.origin == "default" {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		if err := s.check(); err != nil {
			errs = append(errs, err)
		}
	}
	return table, errors.Join(errs...)
}

func addFlags(fs *pflag.FlagSet, table []*setting) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	for _, row := range table {
		f := fs.VarPF(row, row.flag(), "", row.about)
		if row.allowed == "true or false" {
			f.NoOptDefVal = "true"
		}
	}
}

// plainFlagError takes the parser's own words off what a setting said.
func plainFlagError(err error, table []*setting) error {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		return bad.Unwrap()
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		names := make([]string, len(table))
		for i, row := range table {
			names[i] = "--" + row.flag()
		}
		return unknownSetting("--"+unknown.GetSpecifiedName(), names)
	}
	return err
}

// injected are the variables that Kubernetes gives to every container beside a
// service called gateway, or gateway-something.
var injected = regexp.MustCompile(`^GATEWAY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$`)

func fromEnvironment(table []*setting, environ []string) (errs []error) {
	byVariable := map[string]*setting{}
	var names []string
	for _, row := range table {
		byVariable[row.variable()] = row
		names = append(names, row.variable())
	}
	environ = slices.Clone(environ)
	slices.Sort(environ) // so that errors come in the same order each time
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "GATEWAY_") {
			continue
		}
		row, known := byVariable[name]
		switch {
		case known && value != "": // empty is as good as unset, as compose files write it
			if err := row.take(name, value, "environment"); err != nil {
				errs = append(errs, err)
			}
		case !known && !injected.MatchString(name):
			errs = append(errs, unknownSetting(name, names))
		}
	}
	return errs
}

func unknownSetting(name string, known []string) error {
	if near := nearest(name, known); near != "" {
		return fmt.Errorf("%s: no such setting (did you mean %s?); `gateway --help` lists them all", name, near)
	}
	return fmt.Errorf("%s: no such setting; `gateway --help` lists them all", name)
}

// nearest is the known name with the fewest edits, "" if all are far off.
func nearest(name string, known []string) string {
	best, at := len(name)/3+1, ""
	for _, k := range known {
		if d := edits(name, k); d < best {
			best, at = d, k
		}
	}
	return at
}

// edits is the Levenshtein distance of two ASCII strings.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
