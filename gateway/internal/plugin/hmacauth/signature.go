package hmacauth

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // of HMAC, which SHA-1's collisions do not break
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"regexp"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// algorithms are Kong's.
var algorithms = []struct {
	name string
	hash func() hash.Hash
}{
	{"hmac-sha1", sha1.New}, {"hmac-sha256", sha256.New}, {"hmac-sha384", sha512.New384}, {"hmac-sha512", sha512.New},
}

// signature is what the field Authorization says.
type signature struct {
	username, algorithm string
	headers             []string // names of what was signed, in their order
	sum                 []byte
}

// form is Kong's.
var form = regexp.MustCompile(`^\s*[Hh]mac\s+username="([^"]+)",\s*algorithm="([^"]+)",\s*headers="([^"]+)",\s*signature="([^"]+)"\s*$`)

func parse(authorization []byte) (signature, bool) {
	m := form.FindSubmatch(authorization)
	if m == nil {
		return signature{}, false
	}
	sum, err := base64.StdEncoding.DecodeString(string(m[4]))
	if err != nil {
		return signature{}, false
	}
	return signature{string(m[1]), string(m[2]), strings.Fields(string(m[3])), sum}, true
}

// covers tells whether the signature is over a name, whatever its letter case.
func (s *signature) covers(name string) bool {
	return slices.ContainsFunc(s.headers, func(signed string) bool { return strings.EqualFold(signed, name) })
}

// isAccepted tells whether a signature is of an algorithm that is allowed, and over
// everything that has to be signed.
func (s *signature) isAccepted(c *config) bool {
	for _, name := range c.EnforceHeaders {
		if !s.covers(name) {
			return false
		}
	}
	return slices.Contains(c.Algorithms, s.algorithm)
}

// matches tells whether the signature is of this request, made with that secret.
func (s *signature) matches(x *plugin.Exchange, secret string) bool {
	text, ok := s.text(x)
	if !ok {
		return false
	}
	for _, a := range algorithms {
		if a.name == s.algorithm {
			mac := hmac.New(a.hash, []byte(secret))
			mac.Write([]byte(text))
			return hmac.Equal(mac.Sum(nil), s.sum)
		}
	}
	return false
}

// text is what was signed: a line for each name. Of a field that came more than
// once it is unknown which value the upstream reads: such a request has no text.
func (s *signature) text(x *plugin.Exchange) (string, bool) {
	h := &x.Ctx.Request.Header
	lines := make([]string, 0, len(s.headers))
	for _, name := range s.headers {
		switch name {
		case "request-line":
			lines = append(lines, string(h.Method())+" "+string(h.RequestURI())+" "+string(h.Protocol()))
			continue
		case "@request-target":
			lines = append(lines, name+": "+strings.ToLower(string(h.Method()))+" "+string(h.RequestURI()))
			continue
		}
		switch values := h.PeekAll(name); len(values) {
		case 0:
			lines = append(lines, name+":")
		case 1:
			lines = append(lines, name+": "+string(values[0]))
		default:
			return "", false
		}
	}
	return strings.Join(lines, "\n"), true
}
