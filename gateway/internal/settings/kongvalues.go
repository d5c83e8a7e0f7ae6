package settings

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

func kongCAs(v string) (string, string, error) {
	if v == "system" {
		return "", "", nil
	}
	return v, "", nil
}

func kongSame(v string) (string, string, error) { return v, "", nil }

const kongListenWant = "host:port, with Kong's flags behind it, separated by commas, one of them without ssl and none with " +
	"proxy_protocol (set GATEWAY_PROXY_PROTOCOL_FROM to the balancers)"

// kongListeners are the addresses in Kong's list, such as 0.0.0.0:8000 reuseport
// backlog=16384, 0.0.0.0:8443 http2 ssl.
type kongListeners struct {
	plain, secure, rest     []string
	plainHTTP2, secureHTTP2 bool
	secureItems             []string // with their flags
}

func readKongListeners(v string) (l kongListeners, err error) {
	for item := range strings.SplitSeq(v, ",") {
		words := strings.Fields(item)
		if len(words) == 0 {
			continue
		}
		flags := words[1:]
		secure, http2 := slices.Contains(flags, "ssl"), slices.Contains(flags, "http2")
		switch {
		case slices.Contains(flags, "proxy_protocol"):
			return l, errNotAllowed
		case strings.HasPrefix(words[0], "unix:"), slices.Contains(l.plain, words[0]):
			l.rest = append(l.rest, strings.Join(words, " "))
		case secure:
			l.secure, l.secureHTTP2 = append(l.secure, words[0]), l.secureHTTP2 || http2
			l.secureItems = append(l.secureItems, strings.Join(words, " "))
		default:
			l.plain, l.plainHTTP2 = append(l.plain, words[0]), l.plainHTTP2 || http2
		}
	}
	if len(l.plain) == 0 {
		return l, errNotAllowed
	}
	return l, nil
}

// kongListen finds the one address without TLS; the others are not served.
func kongListen(v string) (value, left string, err error) {
	l, err := readKongListeners(v)
	if err != nil {
		return "", "", err
	}
	l.rest = append(l.rest, l.secureItems...)
	return onePlain(l)
}

// kongProxyListen is kongListen where those with TLS are served as well.
func kongProxyListen(v string) (value, left string, err error) {
	l, err := readKongListeners(v)
	if err != nil {
		return "", "", err
	}
	return onePlain(l)
}

// kongTLSListen are the addresses with TLS.
func kongTLSListen(v string) (value, left string, err error) {
	l, err := readKongListeners(v)
	if err != nil {
		return "", "", nil //nolint:nilerr // said of proxy_listen
	}
	var out []string
	for _, addr := range l.secure {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return "", "", errNotAllowed
		}
		if i := slices.Index(out, otherAny(host, port)); i >= 0 {
			out[i] = ":" + port
		} else {
			out = append(out, addr)
		}
	}
	return strings.Join(out, ","), "", nil
}

// kongHTTP2 says where Kong's flag http2 is.
func kongHTTP2(v string) (value, left string, err error) {
	l, err := readKongListeners(v)
	switch {
	case err != nil:
		return "", "", nil //nolint:nilerr // said of proxy_listen
	case l.plainHTTP2:
		return "all", "", nil
	case len(l.secure) > 0 && !l.secureHTTP2:
		return "off", "", nil
	}
	return "", "", nil
}

// kongProtocols drops the versions that are too old.
func kongProtocols(v string) (value, left string, err error) {
	var keep, old []string
	for _, w := range strings.Fields(v) {
		switch w {
		case "TLSv1.2", "TLSv1.3":
			keep = append(keep, w)
		case "SSLv2", "SSLv3", "TLSv1", "TLSv1.1":
			old = append(old, w)
		default:
			return "", "", errNotAllowed
		}
	}
	if len(keep) == 0 {
		return "", "", errNotAllowed
	}
	if len(old) > 0 {
		left = "not spoken: " + strings.Join(old, ", ")
	}
	return strings.Join(keep, " "), left, nil
}

// onePlain is the address of the one listener without TLS.
func onePlain(l kongListeners) (value, left string, err error) {
	plain, rest := l.plain, l.rest
	value, plain = plain[0], plain[1:]
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		return "", "", errNotAllowed
	}
	if len(plain) > 0 {
		if i := slices.Index(plain, otherAny(host, port)); i >= 0 {
			value, plain = ":"+port, slices.Delete(plain, i, i+1)
		}
	}
	if rest = append(plain, rest...); len(rest) > 0 {
		left = "not served: " + strings.Join(rest, ", ")
	}
	return value, left, nil
}

// otherAny is the wildcard address of the other address family: Go listens on
// both at once.
func otherAny(host, port string) string {
	switch host {
	case "0.0.0.0":
		return "[::]:" + port
	case "::":
		return "0.0.0.0:" + port
	}
	return ""
}

// kongTime reads nginx's times, and numbers of the given unit.
func kongTime(unit string) func(string) (string, string, error) {
	return func(v string) (string, string, error) {
		v, _, _ = strings.Cut(v, " ") // keepalive_timeout may have a second value, for a response header
		if _, err := strconv.ParseFloat(v, 64); err == nil {
			v += unit
		}
		_, err := parseDuration(v)
		return v, "", err
	}
}

// kongSize reads nginx's sizes.
func kongSize(v string) (string, string, error) {
	number := strings.TrimRight(v, "kKmMgG")
	if _, err := strconv.ParseUint(number, 10, 63); err != nil || len(v)-len(number) > 1 {
		return "", "", errNotAllowed
	}
	return strings.ToUpper(v), "", nil
}

func kongAddresses(v string) (value, left string, err error) {
	var out []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item == "unix:" {
			left = "unix: the gateway does not listen on Unix sockets"
		} else if item != "" {
			out = append(out, item)
		}
	}
	return strings.Join(out, ","), left, nil
}

func kongLevel(v string) (string, string, error) {
	switch v {
	case "debug", "info", "warn", "error":
		return v, "", nil
	case "notice":
		return "info", "", nil
	case "crit", "alert", "emerg":
		return "error", "", nil
	}
	return "", "", errNotAllowed
}

func kongAccessLog(v string) (value, left string, err error) {
	switch path, _, _ := strings.Cut(v, " "); path {
	case "off":
		return "off", "", nil
	case "/dev/stdout", "/dev/stderr":
		return "all", "", nil
	}
	return "", "the access log is written to stderr, not to files", nil
}
