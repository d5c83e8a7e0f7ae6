package main

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one row of the table: how it is called, what it may be, and where
// its value goes.
type setting struct {
	name    string // lower-case with underscores
	about   string
	allowed string // completes "want ..."
	def     string
	secret  bool // never shown

	set    func(string) error // an error's text is not used: allowed tells
	show   func() string
	origin string // default, environment or flag
}

func (s *setting) variable() string { return "GATEWAY_" + strings.ToUpper(s.name) }
func (s *setting) flag() string     { return strings.ReplaceAll(s.name, "_", "-") }

// take sets the value that came from origin under the name that it came by.
func (s *setting) take(name, value, origin string) error {
	if err := s.set(value); err != nil {
		if s.secret {
			value = "***"
		}
		return fmt.Errorf("%s=%q: want %s", name, value, s.allowed)
	}
	s.origin = origin
	return nil
}

// Set, String, Type and IsBoolFlag are what the flag parser asks of a value.
func (s *setting) Set(value string) error { return s.take("--"+s.flag(), value, "flag") }
func (s *setting) String() string         { return s.def }
func (s *setting) Type() string           { return "" }

// row makes a setting of any type from how it is read and written.
func row[T any](name string, p *T, def T, about, allowed string, parse func(string) (T, error), show func(T) string) *setting {
	*p = def
	return &setting{
		name: name, about: about, allowed: allowed, def: show(def), origin: "default",
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

func text(name string, p *string, def, about string) *setting {
	return row(name, p, def, about, "some text", func(v string) (string, error) {
		if v == "" {
			return "", errNotAllowed
		}
		return v, nil
	}, plain)
}

// pseudonym is a name as Via has it: a token, or a host with a port.
func pseudonym(name string, p *string, def, about string) *setting {
	return row(name, p, def, about, "letters, digits and .:_-", func(v string) (string, error) {
		if !pseudonymRE.MatchString(v) {
			return "", errNotAllowed
		}
		return v, nil
	}, plain)
}

var pseudonymRE = regexp.MustCompile(`^[A-Za-z0-9.:_-]{1,64}$`)

// postgres is a connection string, of which the password is never shown.
func postgres(name string, p *string, def, about string) *setting {
	s := row(name, p, def, about, dsnAllowed, func(v string) (string, error) { return v, checkDSN(v) }, hidePassword)
	s.secret = true
	return s
}

func choice(name string, p *string, def string, of []string, about string) *setting {
	return row(name, p, def, about, "one of "+strings.Join(of, ", "), func(v string) (string, error) {
		if !slices.Contains(of, v) {
			return "", errNotAllowed
		}
		return v, nil
	}, plain)
}

func boolean(name string, p *bool, def bool, about string) *setting {
	return row(name, p, def, about, "true or false", func(v string) (bool, error) {
		switch strings.ToLower(v) {
		case "true", "on", "1", "yes":
			return true, nil
		case "false", "off", "0", "no":
			return false, nil
		}
		return false, errNotAllowed
	}, strconv.FormatBool)
}

func number(name string, p *int, def, least, most int, about string) *setting {
	return row(name, p, def, about, fmt.Sprintf("a whole number from %d to %d", least, most), func(v string) (int, error) {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return 0, errNotAllowed
		}
		return n, nil
	}, strconv.Itoa)
}

func duration(name string, p *time.Duration, def, least, most time.Duration, about string) *setting {
	allowed := fmt.Sprintf("a duration from %s to %s, such as 250ms, 5s or 2m", formatDuration(least), formatDuration(most))
	return row(name, p, def, about, allowed, func(v string) (time.Duration, error) {
		d, err := time.ParseDuration(v)
		if err != nil || d < least || d > most {
			return 0, errNotAllowed
		}
		return d, nil
	}, formatDuration)
}

func bytesize(name string, p *int64, def, least, most int64, about string) *setting {
	allowed := fmt.Sprintf("a size from %s to %s, such as 512KiB, 64MiB or 1GiB", formatBytes(least), formatBytes(most))
	return row(name, p, def, about, allowed, func(v string) (int64, error) {
		n, err := parseBytes(v)
		if err != nil || n < least || n > most {
			return 0, errNotAllowed
		}
		return n, nil
	}, formatBytes)
}

func listen(name string, p *string, def, about string) *setting {
	return row(name, p, def, about, "host:port, with a port from 0 (any free one) to 65535", func(v string) (string, error) {
		_, port, err := net.SplitHostPort(v)
		if err != nil {
			return "", err
		}
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			return "", errNotAllowed
		}
		return v, nil
	}, plain)
}

// list is of IP addresses or CIDR blocks.
func list(name string, p *[]string, def, about string) *setting {
	s := row(name, p, nil, about, "IP addresses or CIDR blocks, separated by commas", func(v string) ([]string, error) {
		var out []string
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if _, err := netip.ParsePrefix(item); err != nil {
				if _, err := netip.ParseAddr(item); err != nil {
					return nil, err
				}
			}
			out = append(out, item)
		}
		return out, nil
	}, func(l []string) string { return strings.Join(l, ",") })
	s.def = def
	return s
}

// names is a list of words that check takes.
func names(name string, p *[]string, allowed, about string, check func(string) error) *setting {
	return row(name, p, nil, about, allowed, func(v string) ([]string, error) {
		var out []string
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			if err := check(item); err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		return out, nil
	}, func(l []string) string { return strings.Join(l, ",") })
}

// statuses is a list of HTTP statuses, or off.
func statuses(name string, p *[]int, def []int, about string) *setting {
	return row(name, p, def, about, "HTTP statuses from 500 to 599, separated by commas, or off", func(v string) ([]int, error) {
		out := []int{}
		if v == "off" {
			return out, nil
		}
		for item := range strings.SplitSeq(v, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(item))
			if err != nil || n < 500 || n > 599 {
				return nil, errNotAllowed
			}
			out = append(out, n)
		}
		return out, nil
	}, func(list []int) string {
		if len(list) == 0 {
			return "off"
		}
		texts := make([]string, len(list))
		for i, n := range list {
			texts[i] = strconv.Itoa(n)
		}
		return strings.Join(texts, ",")
	})
}

// file is the path of a file that can be read, or nothing.
func file(name string, p *string, about string) *setting {
	return row(name, p, "", about, "the path of a file that can be read", func(v string) (string, error) {
		f, err := os.Open(v)
		if err != nil {
			return "", err
		}
		return v, f.Close()
	}, plain)
}

var errNotAllowed = fmt.Errorf("not allowed")

// formatDuration drops the zero minutes and seconds of time.Duration's form.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var units = []struct {
	suffix string
	size   int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1}, {"", 1}}

func parseBytes(v string) (int64, error) {
	for _, u := range units {
		if number, ok := strings.CutSuffix(v, u.suffix); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
			if err != nil || n < 0 || n > math.MaxInt64/u.size {
				return 0, errNotAllowed
			}
			return n * u.size, nil
		}
	}
	return 0, errNotAllowed
}

func formatBytes(n int64) string {
	for _, u := range units[:3] {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

func anyPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port == "0"
}
