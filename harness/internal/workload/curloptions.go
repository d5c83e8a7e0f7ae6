package workload

import "slices"

// Options of curl that do not change what is sent, without and with a value.
var (
	curlSwitches = []string{
		"-s", "--silent", "-S", "--show-error", "-k", "--insecure", "-L", "--location", "-v", "--verbose", "-i", "--include", "-f", "--fail",
		"--compressed", "-O", "--remote-name", "-N", "--no-buffer", "-4", "--ipv4", "-6", "--ipv6", "-g", "--globoff", "--fail-with-body",
		"--http1.1", "--http2", "--http2-prior-knowledge", "--http1.0", "-0", "-#", "--progress-bar", "--no-progress-meter", "--tcp-nodelay",
		"--path-as-is", "--no-keepalive", "-J", "--remote-header-name", "--location-trusted", "--tlsv1.2", "--tlsv1.3", "--basic",
	}
	curlValues = []string{
		"-o", "--output", "-m", "--max-time", "--connect-timeout", "--retry", "--retry-delay", "--retry-max-time", "-w", "--write-out",
		"--cacert", "--capath", "-E", "--cert", "--key", "-D", "--dump-header", "-c", "--cookie-jar", "--resolve", "--connect-to",
		"--interface", "--limit-rate", "--trace", "--trace-ascii", "--stderr", "--max-redirs", "--ciphers", "--keepalive-time",
	}
	// What readCurl applies, with a value.
	curlApplied = []string{
		"-X", "--request", "--url", "-H", "--header", "-A", "--user-agent", "-e", "--referer", "-b", "--cookie", "-r", "--range", "-u", "--user",
		"--oauth2-bearer", "-d", "--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--json", "-F", "--form",
		"--form-string",
	}
	// What changes the request and is refused, with a value.
	curlRefused = []string{
		"-T", "--upload-file", "-x", "--proxy", "-K", "--config", "--aws-sigv4", "-t", "--telnet-option", "-Q", "--quote", "-C", "--continue-at",
		"-z", "--time-cond", "--request-target", "--unix-socket", "--proxy-user", "-U", "--variable", "--expand-url", "--expand-data",
	}
)

// takesValue says whether an option is followed by a value.
func takesValue(name string) bool {
	return slices.Contains(curlApplied, name) || slices.Contains(curlValues, name) || slices.Contains(curlRefused, name)
}

// setting is one option with its value; the name is empty for a URL.
type setting struct{ name, value string }

// settings are the options in words: -X POST, -XPOST, --request POST, and several short ones in one word, of which the last may have a
// value.
func settings(words []string) (out []setting) {
	for i := 0; i < len(words); i++ {
		word := words[i]
		next := func() string {
			if i++; i < len(words) {
				return words[i]
			}
			return ""
		}
		switch {
		case len(word) < 2 || word[0] != '-':
			out = append(out, setting{value: word})
			continue
		case word[1] == '-':
			s := setting{name: word}
			if takesValue(word) {
				s.value = next()
			}
			out = append(out, s)
			continue
		}
		for rest := word[1:]; rest != ""; {
			s := setting{name: "-" + rest[:1]}
			rest = rest[1:]
			if takesValue(s.name) {
				s.value = rest
				if rest == "" {
					s.value = next()
				}
				rest = ""
			}
			out = append(out, s)
		}
	}
	return out
}
