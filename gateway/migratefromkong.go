package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/declarative"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/settings"
)

// migrateFromKong is `gateway migrate-from-kong FILE`: it prints what will differ
// from Kong, of a kong.conf or a declarative file. The exit code is 1 where
// something is not supported.
func migrateFromKong(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		fmt.Fprintln(stderr, "gateway migrate-from-kong: want one FILE: a kong.conf, or a declarative file (.yml, .yaml, .json)")
		return exitUsage
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		fmt.Fprintf(stderr, "gateway migrate-from-kong: %v\n", err)
		return exitFailed
	}
	switch filepath.Ext(args[0]) {
	case ".yml", ".yaml", ".json":
		return explainDeclarative(args[0], data, stdout)
	}
	variables, err := settings.ParseKongConf(string(data))
	if err != nil {
		fmt.Fprintf(stderr, "gateway migrate-from-kong: %s: %v\n", args[0], err)
		return exitFailed
	}
	return explainConf(variables, stdout)
}

// explainConf prints what each setting of a kong.conf becomes.
func explainConf(variables []string, stdout io.Writer) int {
	code := exitOK
	tw := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SETTING OF KONG\tHERE\tEXPLANATION")
	for _, e := range settings.ExplainKong(variables) {
		if e.Kind == settings.KongRefused {
			code = exitFailed
		}
		if e.Name == "plugins" {
			e.Kind, e.Text = settings.KongSame, "every plugin that the gateway has can be configured; those it does not have are below"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", e.Name, e.Kind, e.Text)
	}
	_ = tw.Flush()
	for _, v := range variables {
		if list, ok := strings.CutPrefix(v, "KONG_PLUGINS="); ok {
			if missing := missingPlugins(list); len(missing) > 0 {
				fmt.Fprintf(stdout, "\nplugins that this gateway does not have: %s\n", strings.Join(missing, ", "))
				code = exitFailed
			}
		}
	}
	return code
}

// missingPlugins are those of Kong's list that the gateway does not have.
func missingPlugins(list string) (missing []string) {
	catalog := all.Plugins().Catalog()
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if _, ok := catalog.Plugin(name); !ok && name != "" && name != "bundled" && name != "off" {
			missing = append(missing, name)
		}
	}
	return missing
}

// explainDeclarative prints what is in a declarative file, and what of it the
// gateway does not have.
func explainDeclarative(path string, data []byte, stdout io.Writer) int {
	catalog := all.Plugins().Catalog()
	file, err := declarative.Read(data, catalog)
	var set *declarative.Set
	if err == nil {
		set, err = file.Complete(nil, time.Now())
	}
	var problems declarative.Problems
	if err != nil && !errors.As(err, &problems) {
		fmt.Fprintln(stdout, err)
		return exitFailed
	}
	if len(problems) == 0 {
		fmt.Fprintf(stdout, "%s can be used as it is: %s\n", path, counts(set))
		if hasNames(set) {
			fmt.Fprintf(stdout, "dns_order %s\n", settings.DiffersFromKong("dns_order"))
		}
		return exitOK
	}
	for _, kind := range []struct {
		title       string
		unsupported bool
	}{{"not supported by this gateway:", true}, {"invalid:", false}} {
		title := kind.title
		for i := range problems {
			if problems[i].Unsupported != kind.unsupported {
				continue
			}
			if title != "" {
				fmt.Fprintln(stdout, title)
				title = ""
			}
			fmt.Fprintf(stdout, "  %s\n", problems[i].String())
		}
	}
	return exitFailed
}

// hasNames tells whether a host of a service, or a target, is looked up in DNS.
func hasNames(set *declarative.Set) bool {
	upstreams := map[any]bool{}
	for _, u := range set.Records["upstreams"] {
		upstreams[u["name"]] = true
	}
	named := func(host any) bool {
		text, _ := host.(string)
		_, err := netip.ParseAddr(strings.Trim(text, "[]"))
		return text != "" && err != nil && !upstreams[text]
	}
	return slices.ContainsFunc(set.Records["services"], func(r entity.Record) bool { return named(r["host"]) }) ||
		slices.ContainsFunc(set.Records["targets"], func(r entity.Record) bool {
			host, _ := r["target"].(string)
			if h, _, err := net.SplitHostPort(host); err == nil {
				host = h
			}
			return named(host)
		})
}

// counts says how many entities of each kind there are, and which plugins.
func counts(set *declarative.Set) string {
	var parts []string
	for _, s := range set.Catalog().Schemas() {
		if n := len(set.Records[s.Name]); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.Name))
		}
	}
	names := map[string]bool{}
	for _, p := range set.Records["plugins"] {
		name, _ := p["name"].(string)
		names[name] = true
	}
	text := strings.Join(parts, ", ")
	if len(names) > 0 {
		text += " (" + strings.Join(slices.Sorted(maps.Keys(names)), ", ") + ")"
	}
	return text
}
