package settings

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Where values come from that are not in the environment.
const (
	originDefault = "default"
	originFlag    = "flag"
)

// Setting is one row of the table: the name, default and allowed values of a
// setting, and where its value goes.
type Setting struct {
	name    string // lower-case with underscores
	help    string
	allowed string // completes "want ..."
	def     string
	secret  bool // never shown

	set    func(string) error // the text of an error is not used: see allowed
	show   func() string
	origin string // originDefault, originFlag, or where in the environment the value comes from
}

func (s *Setting) variable() string { return "GATEWAY_" + strings.ToUpper(s.name) }
func (s *Setting) flag() string     { return strings.ReplaceAll(s.name, "_", "-") }

// take sets the value that origin has under name, which the error repeats.
func (s *Setting) take(name, value, origin string) error {
	if err := s.set(value); err != nil {
		if s.secret {
			value = "***"
		}
		return fmt.Errorf("%s=%q: want %s", name, value, s.allowed)
	}
	s.origin = origin
	return nil
}

// Set, String and Type make a Setting a pflag.Value.
func (s *Setting) Set(value string) error { return s.take("--"+s.flag(), value, originFlag) }
func (s *Setting) String() string         { return s.def }
func (s *Setting) Type() string           { return "" }

// newSetting makes a Setting of any type that can be parsed and shown.
func newSetting[T any](
	name string, p *T, def T, help, allowed string, parse func(string) (T, error), show func(T) string,
) *Setting {
	*p = def
	return &Setting{
		name: name, help: help, allowed: allowed, def: show(def), origin: originDefault,
		set: func(v string) (err error) {
			parsed, err := parse(strings.TrimSpace(v))
			if err == nil {
				*p = parsed
			}
			return err
		},
		show: func() string { return show(*p) },
	}
}

func plain(s string) string { return s }

func text(name string, p *string, def, help string) *Setting {
	return newSetting(name, p, def, help, "some text", func(v string) (string, error) {
		if v == "" {
			return "", errNotAllowed
		}
		return v, nil
	}, plain)
}

// pseudonym is a name as Via has it: a token, or a host with a port.
func pseudonym(name string, p *string, def, help string) *Setting {
	return newSetting(name, p, def, help, "letters, digits and .:_-", func(v string) (string, error) {
		if !pseudonymRE.MatchString(v) {
			return "", errNotAllowed
		}
		return v, nil
	}, plain)
}

var pseudonymRE = regexp.MustCompile(`^[A-Za-z0-9.:_-]{1,64}$`)

// postgres is a connection string, of which the password is never shown.
func postgres(name string, p *string, def, help string) *Setting {
	s := newSetting(name, p, def, help, dsnAllowed, func(v string) (string, error) { return v, checkDSN(v) }, HidePassword)
	s.secret = true
	return s
}

// secretText is some text that is not shown.
func secretText(name string, p *string, help string) *Setting {
	s := newSetting(name, p, "", help, "some text", func(v string) (string, error) { return v, nil }, func(v string) string {
		if v == "" {
			return ""
		}
		return "***"
	})
	s.secret = true
	return s
}

func choice(name string, p *string, def string, of []string, help string) *Setting {
	return newSetting(name, p, def, help, "one of "+strings.Join(of, ", "), func(v string) (string, error) {
		if !slices.Contains(of, v) {
			return "", errNotAllowed
		}
		return v, nil
	}, plain)
}

// boolean is off by default, as every one is.
func boolean(name string, p *bool, def bool, help string) *Setting {
	return newSetting(name, p, def, help, "true or false", func(v string) (bool, error) {
		switch strings.ToLower(v) {
		case "true", "on", "1", "yes":
			return true, nil
		case "false", "off", "0", "no":
			return false, nil
		}
		return false, errNotAllowed
	}, strconv.FormatBool)
}

func number(name string, p *int, def, least, most int, help string) *Setting {
	return newSetting(name, p, def, help, fmt.Sprintf("a whole number from %d to %d", least, most), func(v string) (int, error) {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return 0, errNotAllowed
		}
		return n, nil
	}, strconv.Itoa)
}

func duration(name string, p *time.Duration, def, least, most time.Duration, help string) *Setting {
	allowed := fmt.Sprintf("a duration from %s to %s, such as 250ms, 5s, 2m or 7d", formatDuration(least), formatDuration(most))
	return newSetting(name, p, def, help, allowed, func(v string) (time.Duration, error) {
		d, err := parseDuration(v)
		if err != nil || d < least || d > most {
			return 0, errNotAllowed
		}
		return d, nil
	}, formatDuration)
}

func bytesize(name string, p *int64, def, least, most int64, help string) *Setting {
	allowed := fmt.Sprintf("a size from %s to %s in bytes, such as 64k, 512KiB or 1GiB", FormatBytes(least), FormatBytes(most))
	return newSetting(name, p, def, help, allowed, func(v string) (int64, error) {
		n, err := parseBytes(v)
		if err != nil || n < least || n > most {
			return 0, errNotAllowed
		}
		return n, nil
	}, FormatBytes)
}

func listen(name string, p *string, def, help string) *Setting {
	return newSetting(name, p, def, help, "host:port, with a port from 0 (any free one) to 65535", func(v string) (string, error) {
		return v, checkAddress(v)
	}, plain)
}

// checkAddress wants a listener's address.
func checkAddress(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errNotAllowed
	}
	return nil
}

// file is the path of a readable file, or empty.
func file(name string, p *string, help string) *Setting {
	return newSetting(name, p, "", help, "the path of a file that can be read", func(v string) (string, error) {
		f, err := os.Open(v)
		if err != nil {
			return "", err
		}
		return v, f.Close()
	}, plain)
}
