package workload

import (
	"regexp"
	"slices"
	"strings"
)

// secretWords are in the names of what must not end up in a file that is shown around.
var secretWords = []string{
	"authorization", "cookie", "token", "secret", "password", "passwd", "apikey", "api-key", "api_key", "x-key", "credential",
	"session", "csrf", "xsrf", "signature", "jwt", "bearer", "private_key", "private-key", "privatekey", "access_key", "accesskey",
	"access-key",
}

// secretNames are too short to be looked for within other names. In bodies they usually mean something else.
var secretNames = []string{"key", "sid", "pin", "otp", "pwd", "pass", "auth", "sig", "x-auth", "x-api"}

// secretField says whether the value of a field of a body with this name looks like a credential. Tokens in the plural are counted ones,
// as in max_tokens.
func secretField(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "tokens", "")
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

// secret is secretField for headers and parameters.
func secret(name string) bool {
	return secretField(name) || slices.Contains(secretNames, strings.ToLower(name))
}

// secretValue matches values that are credentials whatever their name is: a JWT, and tokens with the prefix of their issuer.
var secretValue = regexp.MustCompile(
	`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?[A-Za-z0-9_-]{16,}|` +
		`\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAKIA[0-9A-Z]{16}\b|` +
		`\bAIza[0-9A-Za-z_-]{30,}|` +
		`\bglpat-[A-Za-z0-9_-]{16,}|(?i:\bbearer\s+[A-Za-z0-9._~+/-]{8,})`)

// leftOutValue takes the place of a secret where something must stand.
const leftOutValue = "left-out"

// trimQuery leaves secret parameters out of a path with a query.
func trimQuery(uri string) (kept string, trimmed bool) {
	path, query, ok := strings.Cut(uri, "?")
	if secretValue.MatchString(path) {
		path, trimmed = secretValue.ReplaceAllString(path, leftOutValue), true
	}
	if !ok {
		return path, trimmed
	}
	var parts []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if secret(unescape(name)) || secretValue.MatchString(unescape(value)) {
			trimmed = true
			continue
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 && trimmed {
		return path, true
	}
	return path + "?" + strings.Join(parts, "&"), trimmed
}

// Fields of bodies: of JSON, if the value is a text, and of forms.
var (
	jsonField = regexp.MustCompile(`"((?:[^"\\]|\\.){1,64})"(\s*:\s*)"((?:[^"\\]|\\.)*)"`)
	formField = regexp.MustCompile(`(^|&)([A-Za-z0-9_.%\[\]-]{1,64})=([^&]*)`)
)

// trimBody replaces secret values in a body.
func trimBody(body string) (kept string, trimmed bool) {
	kept = jsonField.ReplaceAllStringFunc(body, func(s string) string {
		m := jsonField.FindStringSubmatch(s)
		if !secretField(m[1]) || m[3] == leftOutValue {
			return s
		}
		return `"` + m[1] + `"` + m[2] + `"` + leftOutValue + `"`
	})
	if !strings.HasPrefix(strings.TrimSpace(body), "{") && !strings.HasPrefix(strings.TrimSpace(body), "[") {
		kept = formField.ReplaceAllStringFunc(kept, func(s string) string {
			m := formField.FindStringSubmatch(s)
			if !secretField(unescape(m[2])) {
				return s
			}
			return m[1] + m[2] + "=" + leftOutValue
		})
	}
	kept = secretValue.ReplaceAllString(kept, leftOutValue)
	return kept, kept != body
}
