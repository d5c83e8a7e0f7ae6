package workload

import (
	"cmp"
	"encoding/base64"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// collector takes records, leaves out what a scenario cannot carry, and counts equal ones.
type collector struct {
	o      Options
	counts Counts
	kinds  map[string]*kind
	hosts  map[string]*arrivals // records of kinds by host
	size   int                  // bytes of the bodies and headers of all kinds
}

// kind is a number of records that become one request.
type kind struct {
	host   string
	name   string
	method string
	uri    shape
	header []field
	body   string
	ids    int            // of a record that has {id} already
	count  int            // of records
	values map[string]int // records by the ids of their path
	first  []string       // the ids of the first record
	order  int            // of the first record
}

func newCollector(o Options) *collector {
	return &collector{
		o: o, counts: Counts{LeftOut: map[string]int{}, Trimmed: map[string]int{}},
		kinds: map[string]*kind{}, hosts: map[string]*arrivals{},
	}
}

// take counts one record.
func (c *collector) take(r record) {
	c.counts.Read++
	if r.leftOut == "" {
		r.leftOut = c.add(r)
	}
	if r.leftOut != "" {
		c.counts.LeftOut[r.leftOut]++
	}
}

// add puts a record to its kind, or returns the reason why not.
func (c *collector) add(r record) (reason string) {
	a, reason := locate(r.target)
	switch {
	case reason != "":
		return reason
	case r.log && a.host != "":
		return reasonHost
	case ambiguous(a.uri):
		return reasonPath
	case !sendable(r.method):
		return reasonMethod
	case len(r.body) > maxBody:
		return reasonBody
	case !plain(r.body):
		return reasonBinary
	}
	header := c.header(&r, a)
	if !c.o.KeepSecrets {
		var trimmed bool
		if a.uri, trimmed = trimQuery(a.uri); trimmed {
			r.trimmed = append(r.trimmed, trimSecretQuery)
		}
		if r.body, trimmed = trimBody(r.body); trimmed {
			r.trimmed = append(r.trimmed, trimSecretBody)
		}
	}
	if a.fragment {
		r.trimmed = append(r.trimmed, trimFragment)
	}
	if reason := c.count(r, a, header); reason != "" {
		return reason
	}
	for _, what := range r.trimmed {
		c.counts.Trimmed[what]++
	}
	return ""
}

// ambiguous says whether servers disagree on what a path means. The gateways of the lab would refuse it, which says nothing about the load.
func ambiguous(uri string) bool {
	path, _, _ := strings.Cut(strings.ToLower(uri), "?")
	for _, mark := range []string{`\`, "%2f", "%2e", "%5c", "%00", "%25", "//", "..;"} {
		if strings.Contains(path, mark) {
			return true
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// count adds a record, as it is to be sent, to its kind.
func (c *collector) count(r record, a address, header []field) (reason string) {
	uri := shape{text: a.uri}
	if r.ids > 0 {
		uri.text = strings.ReplaceAll(a.uri, "%7Bid%7D", placeholder)
	} else if !c.o.KeepIDs && !strings.Contains(r.body, placeholder) { // a scenario would replace it in the body as well
		uri = shapeOf(a.uri)
	}
	fresh := &kind{
		host: a.host, name: r.name, method: r.method, uri: uri, header: header, body: r.body, ids: r.ids,
		values: map[string]int{}, first: uri.values, order: len(c.kinds),
	}
	key := fresh.key(uri.text)
	k := c.kinds[key]
	if k == nil {
		size := len(r.body) + len(uri.text)
		for _, f := range header {
			size += len(f.name) + len(f.value)
		}
		if len(c.kinds) == maxKinds || c.size+size > maxHeld {
			return reasonKinds
		}
		c.size += size
		k = fresh
		c.kinds[key] = k
	}
	k.count++
	if len(uri.values) > 0 && len(k.values) < maxIDs {
		k.values[strings.Join(uri.values, "/")]++
	}
	if c.hosts[a.host] == nil {
		c.hosts[a.host] = &arrivals{seconds: map[int64]int{}}
	}
	c.hosts[a.host].add(r.at)
	return ""
}

// key is equal for kinds that differ in their path alone, if that is given as uri.
func (k *kind) key(uri string) string {
	var b strings.Builder
	for _, s := range []string{k.host, k.method, uri, k.body} {
		b.WriteString(s)
		b.WriteByte(0)
	}
	for _, f := range k.header {
		b.WriteString(f.name + "\x00" + f.value + "\x00")
	}
	return b.String()
}

// plain says whether a body is text that YAML can carry.
func plain(body string) bool {
	if !utf8.ValidString(body) {
		return false
	}
	return !strings.ContainsFunc(body, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfeff || r == 0x2028 || r == 0x2029
	})
}

// ownHeaders are set by the load generator, or belong to one connection.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Expect", "Host", "Http2-Settings", "Keep-Alive", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

// header is what is left of a record's headers, sorted by name, with those that stand in for its URL's user.
func (c *collector) header(r *record, a address) []field {
	kept := map[string]string{}
	for _, f := range r.header {
		name := textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(f.name))
		value := strings.TrimSpace(f.value)
		_, double := kept[name]
		switch {
		case strings.HasPrefix(name, ":") || slices.Contains(ownHeaders, name):
			r.trimmed = append(r.trimmed, trimHeader)
			continue
		case !headerName(name) || !plain(value) || strings.ContainsAny(value, "\r\n") || len(value) > maxTarget:
			r.trimmed = append(r.trimmed, trimName)
			continue
		case !c.o.KeepSecrets && (secret(name) || secretValue.MatchString(value)):
			r.trimmed = append(r.trimmed, trimSecretHeader)
			continue
		case double:
			r.trimmed = append(r.trimmed, trimDouble)
		}
		kept[name] = value
	}
	if a.user != nil && !c.o.KeepSecrets {
		r.trimmed = append(r.trimmed, trimUser)
	} else if a.user != nil {
		password, _ := a.user.Password()
		kept["Authorization"] = basic(a.user.Username(), password)
	}
	var header []field
	for name, value := range kept {
		header = append(header, field{name: name, value: value})
	}
	slices.SortFunc(header, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	return header
}

// headerName says whether a scenario can have a header of this name.
func headerName(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// arrivals counts records by the second in which they arrived.
type arrivals struct {
	seconds     map[int64]int
	first, last time.Time
	n, timed    int // records, and those of them that have a time
}

// maxSeconds is how many seconds are told apart, a month of them.
const maxSeconds = 31 * 24 * 3600

func (a *arrivals) add(at time.Time) {
	a.n++
	if at.IsZero() {
		return
	}
	if a.timed == 0 || at.Before(a.first) {
		a.first = at
	}
	if a.timed == 0 || at.After(a.last) {
		a.last = at
	}
	a.timed++
	if len(a.seconds) < maxSeconds {
		a.seconds[at.Unix()]++
	}
}

// sum is what they come to. The last second of a log with whole seconds counts as one.
func (a *arrivals) sum() Arrivals {
	if a == nil || a.timed < 2 {
		return Arrivals{}
	}
	out := Arrivals{Span: max(a.last.Sub(a.first), time.Second)}
	out.Mean = float64(a.timed) / out.Span.Seconds()
	out.first, out.seconds = a.first.Unix(), a.seconds
	for _, n := range a.seconds {
		out.Peak = max(out.Peak, n)
	}
	return out
}
