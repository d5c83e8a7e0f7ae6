package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ParseKongConf reads a kong.conf into variables as Kong names them,
// KONG_PROXY_LISTEN=0.0.0.0:8000, in the order of the file.
func ParseKongConf(text string) ([]string, error) {
	var out []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(withoutComment(line))
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("line %d: %q: want name = value", n, line)
		}
		value = strings.TrimSpace(value)
		if len(value) > 1 && (value[0] == '\'' || value[0] == '"') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		out = append(out, "KONG_"+strings.ToUpper(name)+"="+strings.ReplaceAll(value, `\#`, "#"))
	}
	return out, nil
}

// withoutComment cuts a line at the first # that is not escaped.
func withoutComment(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] != '\\') {
			return line[:i]
		}
	}
	return line
}

// What becomes of a setting of Kong.
const (
	KongRead    = "read"    // it sets a setting of the gateway
	KongSame    = "same"    // the gateway does that anyway
	KongIgnored = "ignored" // it has no meaning here
	KongRefused = "refused" // the gateway does not start with it
	KongDiffers = "differs" // it is not set, and the defaults are not the same
)

// kongOtherDefaults are the variables whose default in Kong means something else
// than that of the setting, with what to do about it.
var kongOtherDefaults = map[string]struct{ kongs, advice string }{
	"KONG_DNS_ORDER": {
		"LAST,SRV,A,CNAME",
		"a name with addresses needs one query, and its SRV records are not used; if services or targets depend on them, set Kong's order",
	},
}

// KongExplanation is what becomes of a setting of Kong.
type KongExplanation struct {
	Name string // in lower case, as in kong.conf
	Kind string // KongRead, KongSame, KongIgnored, KongRefused or KongDiffers
	Text string
}

// ExplainKong says of each of Kong's variables what becomes of it, and of those that
// are not there where the defaults differ. Passwords are not shown.
func ExplainKong(variables []string) []KongExplanation {
	var s Settings
	table := NewTable(&s)
	result := fromKong(table, variables)
	have := kongEnvironment(variables)
	ignored := map[string]string{}
	for _, text := range result.ignored {
		name, why, _ := strings.Cut(text, " ")
		ignored[name] = strings.Trim(why, "()")
	}
	var out []KongExplanation
	for _, name := range slices.Sorted(maps.Keys(have)) {
		e := explain(name, have[name], table, &result)
		if why, ok := ignored[name]; ok {
			if e.Kind == KongRead {
				e.Text += "; " + why
			} else {
				e.Kind, e.Text = KongIgnored, why
			}
			if e.Text == "" {
				e.Text = "it has no meaning here"
			}
		}
		e.Name = confName(name)
		out = append(out, e)
	}
	for _, name := range slices.Sorted(maps.Keys(kongOtherDefaults)) {
		if have[name] == "" {
			out = append(out, KongExplanation{Name: confName(name), Kind: KongDiffers, Text: DiffersFromKong(settingOf(name))})
		}
	}
	slices.SortStableFunc(out, func(a, b KongExplanation) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// confName is a variable as kong.conf has it.
func confName(variable string) string { return strings.ToLower(strings.TrimPrefix(variable, "KONG_")) }

// DiffersFromKong says how the default of a setting differs from that of Kong, and what
// to do about it; "" where it does not.
func DiffersFromKong(setting string) string {
	var s Settings
	row := NewTable(&s).row(setting)
	for name, other := range kongOtherDefaults {
		if settingOf(name) == setting {
			return fmt.Sprintf("not set: Kong's default is %s, the gateway's is %s: %s", other.kongs, row.show(), other.advice)
		}
	}
	return ""
}

func explain(name, value string, table Table, r *kongResult) KongExplanation {
	for _, m := range kongModes {
		switch {
		case m.name != name:
		case slices.Contains(m.allowed, value):
			return KongExplanation{Kind: KongSame, Text: "what the gateway does"}
		default:
			return KongExplanation{Kind: KongRefused, Text: fmt.Sprintf("%q: %s", value, m.advice)}
		}
	}
	var names []string // of the settings that it sets
	for _, k := range kongVariables {
		if k.name == name {
			names = append(names, k.setting)
		}
	}
	if isPostgresVariable(name) {
		names = []string{"pg_dsn"}
	}
	var set []string
	for _, setting := range names {
		if err := r.wrong[setting]; err != nil {
			return KongExplanation{Kind: KongRefused, Text: err.Error()}
		}
		if row := table.row(setting); row != nil && row.origin != originDefault {
			set = append(set, row.name+" = "+row.show())
		}
	}
	if len(set) > 0 {
		return KongExplanation{Kind: KongRead, Text: strings.Join(set, "; ")}
	}
	return KongExplanation{Kind: KongSame, Text: "what the gateway does"}
}
