package entity

import (
	"fmt"
	"mime"
	"net"
	"net/url"
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
	// filenameRE is Kong's.
	filenameRE    = regexp.MustCompile("^[^*&%`]+$")
	statusRangeRE = regexp.MustCompile(`^[1-9]\d\d-[1-9]\d\d$`)
	tagRE         = regexp.MustCompile(`^[^,/]+$`)
)

// matchFuncs are the checks that are functions of their own.
var matchFuncs = map[string]func(string) string{
	"host": matchHost, "host_port": matchHostPort, "wildcard_host": matchWildcard,
	"sni": matchSNI, "wildcard_sni": matchWildcardSNI,
	"path": matchPath, "service_path": matchServicePath, "probe_path": matchProbePath, "url": matchURL, "regex": matchRegex,
}

// matchString applies a named check; the empty result is no objection.
func matchString(kind, s string) string {
	if check := matchFuncs[kind]; check != nil {
		return check(s)
	}
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
	case "status_range":
		if !statusRangeRE.MatchString(s) {
			return "invalid value '" + s + "': expected a range such as 200-299"
		}
	case "filename":
		if !filenameRE.MatchString(s) {
			return "not a valid filename"
		}
	case "media_type":
		if _, _, err := mime.ParseMediaType(s); err != nil {
			return "invalid value '" + s + "': expected a media type such as application/json"
		}
	case "method":
		if !methodRE.MatchString(s) {
			return "invalid value: " + s
		}
	case "cookie":
		if !cookieRE.MatchString(s) {
			return "invalid cookie name '" + s + "': it must be a token, as RFC 6265 has it"
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

func matchRegex(s string) string {
	if _, err := regexp.Compile(s); err != nil {
		return fmt.Sprintf("not a valid regex: %s", err)
	}
	return ""
}

// matchURL wants the URL of something that is asked over HTTP.
func matchURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "":
		return "missing host in url"
	case u.Scheme != "http" && u.Scheme != "https":
		return "the scheme of '" + u.Redacted() + "' is " + u.Scheme + ", expected http or https"
	}
	return ""
}
