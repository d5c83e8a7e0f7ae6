package entity

import (
	"mime"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

func isUUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}

var (
	nameRE   = regexp.MustCompile(`^[\p{L}\p{N}.\-_~]+$`)
	headerRE = regexp.MustCompile(`^[A-Za-z0-9\-_]+$`)
	methodRE = regexp.MustCompile(`^[A-Z]+$`)
	hostRE   = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9\-_.]*[A-Za-z0-9_.])?$`)
	tagRE    = regexp.MustCompile(`^[^,/]+$`)
)

// matchString applies a named check; the empty result is no objection.
func matchString(kind, s string) string {
	switch kind {
	case "any":
		return ""
	case "name":
		if !nameRE.MatchString(s) {
			return "invalid value '" + s + "': it must only contain alphanumeric and '., -, _, ~' characters"
		}
	case "header":
		if !headerRE.MatchString(s) {
			return "bad header name '" + s + "', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
		}
	case "route_header":
		if strings.EqualFold(s, "host") {
			return "cannot contain 'host' header, which must be specified in the 'hosts' attribute"
		}
		return matchString("header", s)
	case "media_type":
		if _, _, err := mime.ParseMediaType(s); err != nil {
			return "invalid value '" + s + "': expected a media type such as application/json"
		}
	case "method":
		if !methodRE.MatchString(s) {
			return "invalid value: " + s
		}
	case "host":
		return matchHost(s)
	case "wildcard_host":
		return matchWildcard(s)
	case "path":
		return matchPath(s)
	case "service_path":
		if !strings.HasPrefix(s, "/") {
			return "should start with: /"
		}
		if strings.Contains(s, "//") {
			return "must not have empty segments"
		}
	case "tag":
		if !tagRE.MatchString(s) {
			return "invalid tag '" + s + "': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"
		}
	case "uuid":
		if !isUUID(s) {
			return "expected a valid UUID"
		}
	case "target":
		if _, err := NormalizeTarget(s); err != nil {
			return err.Error()
		}
	case "upstream":
		if h := matchHost(s); h != "" || net.ParseIP(s) != nil {
			return "Invalid name ('" + s + "'); must be a valid hostname"
		}
	}
	return ""
}

func matchHost(s string) string {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return ""
	}
	if len(s) > 253 || !hostRE.MatchString(s) {
		return "invalid value: " + s
	}
	return ""
}

func matchWildcard(s string) string {
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.Contains(s, "]") {
		host = s[:i]
		if n, err := strconv.Atoi(s[i+1:]); err != nil || n < 1 || n > 65535 {
			return "invalid value: " + s
		}
	}
	switch strings.Count(host, "*") {
	case 0:
		return matchHost(host)
	case 1:
		if rest, ok := strings.CutPrefix(host, "*."); ok {
			return matchHost(rest)
		}
		if rest, ok := strings.CutSuffix(host, ".*"); ok {
			return matchHost(rest)
		}
		return "wildcard must be leftmost or rightmost character"
	}
	return "invalid wildcard: must have at most one wildcard"
}

func matchPath(s string) string {
	if expr, ok := strings.CutPrefix(s, "~"); ok {
		if !strings.HasPrefix(expr, "/") {
			return "should start with: / (fixed path) or ~/ (regex path)"
		}
		return ""
	}
	if !strings.HasPrefix(s, "/") {
		return "should start with: / (fixed path) or ~/ (regex path)"
	}
	if strings.Contains(s, "//") {
		return "must not have empty segments"
	}
	return ""
}
