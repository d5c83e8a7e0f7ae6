package entity

import (
	"mime"
	"net"
	"regexp"
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
	labelRE  = regexp.MustCompile(`^[A-Za-z0-9_\-]*[A-Za-z0-9_]$`)
	cookieRE = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+\\-.^_`|~]+$")
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
	case "host_port":
		return matchHostPort(s)
	case "wildcard_host":
		return matchWildcard(s)
	case "sni":
		return matchSNI(s)
	case "wildcard_sni":
		return matchWildcardSNI(s)
	case "cookie":
		if !cookieRE.MatchString(s) {
			return "invalid cookie name '" + s + "': it must be a token, as RFC 6265 has it"
		}
	case "path":
		return matchPath(s)
	case "service_path":
		return matchServicePath(s)
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
