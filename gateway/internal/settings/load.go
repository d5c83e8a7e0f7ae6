package settings

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/internal/suggest"
)

// Load sets s to the defaults, then to what the environment says (as os.Environ
// returns it; Kong's variables before the gateway's own), then to the flags in
// args. The settings become flags of fs, which may have others. The error names
// everything that is wrong, and is pflag.ErrHelp where args ask for help.
func Load(s *Settings, fs *pflag.FlagSet, args, environ []string) (Table, error) {
	table := NewTable(s)
	kong := fromKong(table, environ)
	s.Ignored = kong.ignored
	errs := slices.Concat(kong.errs, fromEnvironment(table, environ))
	addFlags(fs, table)
	if err := fs.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return table, err
	} else if err != nil {
		errs = append(errs, flagError(err, table))
	} else if rest := fs.Args(); len(rest) > 0 {
		errs = append(errs, fmt.Errorf("%q: not expected: settings are flags or variables", rest[0]))
	}
	for _, row := range table {
		if err := kong.wrong[row.name]; err != nil && row.origin == originDefault {
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

func addFlags(fs *pflag.FlagSet, table Table) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	for _, row := range table {
		f := fs.VarPF(row, row.flag(), "", row.help)
		if row.allowed == "true or false" {
			f.NoOptDefVal = "true"
		}
	}
}

// flagError removes the parser's own words from a setting's error.
func flagError(err error, table Table) error {
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

// serviceLink matches the variables that Kubernetes gives to every container
// beside a service called gateway, or gateway-something.
var serviceLink = regexp.MustCompile(`^GATEWAY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$`)

func fromEnvironment(table Table, environ []string) (errs []error) {
	byVariable := map[string]*Setting{}
	var names []string
	for _, row := range table {
		byVariable[row.variable()] = row
		names = append(names, row.variable())
	}
	environ = slices.Clone(environ)
	slices.Sort(environ) // for a stable order of errors
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "GATEWAY_") {
			continue
		}
		row, known := byVariable[name]
		switch {
		case known && value != "": // compose files write unset variables as empty
			if err := row.take(name, value, "environment"); err != nil {
				errs = append(errs, err)
			}
		case !known && !serviceLink.MatchString(name):
			errs = append(errs, unknownSetting(name, names))
		}
	}
	return errs
}

func unknownSetting(name string, known []string) error {
	if near := suggest.Nearest(name, known); near != "" {
		return fmt.Errorf("%s: no such setting (did you mean %s?); `gateway --help` lists them all", name, near)
	}
	return fmt.Errorf("%s: no such setting; `gateway --help` lists them all", name)
}
