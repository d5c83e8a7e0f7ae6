package proxycache

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// TestReuse is RFC 9111, 4 and 5: which requests are answered with what, and how it is
// revalidated, changed and invalidated.
func TestReuse(t *testing.T) {
	const fresh, stale = "Cache-Control: max-age=600", "Cache-Control: max-age=10\nAge: 20"
	modified := date(-9999)
	cases := map[string][]step{
		"Age and Date are the stored ones": {
			{answer: fresh + "\nAge: 100\nDate: " + date(-50), asked: true},
			{age: 100, has: "Date: *\nCache-Control: max-age=600"},
		},
		"Age by Date": {{answer: fresh + "\nDate: " + date(-200), asked: true}, {age: 199}},
		"fields are kept, but for those of the connection": {
			{answer: fresh + "\nX-A: 1\nX-A: 2\nX-Own: 3\nConnection: X-Own\nWarning: 199 - a", asked: true},
			{has: "X-A: 1, 2\nX-Own:\nWarning: 199 - a"},
		},
		"private and no-cache with fields": {
			{answer: fresh + `, private="x-a", no-cache="X-B"` + "\nX-A: 1\nX-B: 2\nX-C: 3", asked: true, has: "X-A: 1"},
			{has: "X-A:\nX-B:\nX-C: 3"},
		},
		"a public cookie is not anybody's": {
			{answer: fresh + ", public\nSet-Cookie: a=b", asked: true, has: "Set-Cookie: a=b"}, {has: "Set-Cookie:"},
		},

		"no-cache of the request revalidates": {
			{answer: fresh + "\nEtag: \"a\"", asked: true},
			{send: "Cache-Control: no-cache", status: 304, answer: fresh + "\nEtag: \"a\"", asked: true, told: `If-None-Match: "a"`,
				body: "answer 1"},
			{},
		},
		"Pragma does without Cache-Control": {
			{answer: fresh, asked: true}, {send: "Pragma: no-cache", answer: fresh, asked: true}, {},
			{send: "Pragma: no-cache\nCache-Control: max-age=600"},
		},
		"no-store of the request": {
			{send: "Cache-Control: no-store", answer: fresh, asked: true}, {answer: fresh, asked: true}, {},
		},
		"max-age of the request": {
			{answer: fresh + "\nAge: 100", asked: true}, {send: "Cache-Control: max-age=300"},
			{send: "Cache-Control: max-age=50", answer: fresh, asked: true},
		},
		"max-age=0 of the request": {{answer: fresh, asked: true}, {send: "Cache-Control: max-age=0", answer: fresh, asked: true}},
		"min-fresh": {
			{answer: fresh + "\nAge: 100", asked: true}, {send: "Cache-Control: min-fresh=300"},
			{send: "Cache-Control: min-fresh=550", answer: fresh, asked: true},
		},
		"max-stale": {
			{answer: stale + "\nEtag: \"a\"", asked: true}, {send: "Cache-Control: max-stale=1000"},
			{send: "Cache-Control: max-stale"}, {send: "Cache-Control: max-stale=2", answer: fresh, asked: true},
		},
		"max-stale against must-revalidate": {
			{answer: stale + "\nEtag: \"a\"\nCache-Control: must-revalidate", asked: true},
			{send: "Cache-Control: max-stale=1000", answer: fresh, asked: true},
		},
		"max-stale against s-maxage": {
			{answer: "Cache-Control: s-maxage=10\nAge: 20\nEtag: \"a\"", asked: true},
			{send: "Cache-Control: max-stale=1000", answer: fresh, asked: true},
		},
		"only-if-cached": {
			{send: "Cache-Control: only-if-cached", want: 504, has: "Cache-Status: gatelab; detail=only-if-cached"},
			{answer: fresh, asked: true}, {send: "Cache-Control: only-if-cached"},
		},

		"a validator outlives freshness": {
			{answer: stale + "\nEtag: \"a\"\nLast-Modified: " + modified, asked: true},
			{status: 304, answer: fresh + "\nX-New: 1", asked: true, told: "If-None-Match: \"a\"\nIf-Modified-Since: " + modified,
				body: "answer 1", has: "X-New: 1\nEtag: \"a\""},
			{has: "X-New: 1"},
		},
		"a date alone revalidates": {
			{answer: stale + "\nLast-Modified: " + modified, asked: true},
			{status: 304, answer: fresh, asked: true, told: "If-Modified-Since: " + modified, body: "answer 1"}, {},
		},
		"another answer takes the place": {
			{answer: stale + "\nEtag: \"a\"", asked: true}, {answer: fresh + "\nEtag: \"b\"", asked: true}, {has: `Etag: "b"`},
		},
		"no-cache of the answer": {
			{answer: "Cache-Control: no-cache\nEtag: \"a\"", asked: true},
			{status: 304, answer: "Etag: \"a\"", asked: true, told: `If-None-Match: "a"`, body: "answer 1"},
			{status: 304, answer: fresh, asked: true, told: `If-None-Match: "a"`, body: "answer 1"}, {},
		},
		"a 304 does not change what describes the body": {
			{send: "Accept-Encoding: x", answer: stale + "\nEtag: \"a\"\nContent-Encoding: x\nContent-Type: text/a", asked: true},
			{send: "Accept-Encoding: x", status: 304, answer: fresh + "\nContent-Encoding: y\nContent-Type: text/b", asked: true,
				body: "answer 1", has: "Content-Encoding: x\nContent-Type: text/a"},
		},
		"a 304 of another response changes nothing": {
			{answer: stale + "\nEtag: \"a\"\nX-A: 1", asked: true},
			{status: 304, answer: fresh + "\nEtag: \"b\"\nX-A: 2", asked: true, body: "answer 1", has: "X-A: 1"},
			{answer: fresh, asked: true, told: "If-None-Match:"}, {},
		},

		"a client's tag": {
			{answer: fresh + "\nEtag: \"a\"", asked: true},
			{send: `If-None-Match: "a"`, want: 304, has: `Etag: "a"`}, {send: `If-None-Match: W/"a"`, want: 304},
			{send: `If-None-Match: "x", "a"`, want: 304}, {send: "If-None-Match: *", want: 304}, {send: `If-None-Match: "x"`},
			{send: "If-None-Match: \"x\"\nIf-Modified-Since: " + date(0)},
		},
		"a client's date": {
			{answer: fresh + "\nLast-Modified: " + modified, asked: true},
			{send: "If-Modified-Since: " + modified, want: 304}, {send: "If-Modified-Since: " + date(0), want: 304},
			{send: "If-Modified-Since: " + date(-99999)}, {send: "If-Modified-Since: now"},
		},
		"a client's date against Date": {
			{answer: fresh, asked: true}, {send: "If-Modified-Since: " + date(60), want: 304}, {send: "If-Modified-Since: " + date(-60)},
		},
		"a client's condition on a miss": {
			{send: `If-None-Match: "a"`, answer: fresh + "\nEtag: \"a\"\nContent-Length: 8", asked: true, told: "If-None-Match:", want: 304},
			{body: "answer 1"},
		},
		"a condition is not the client's while revalidating": {
			{answer: stale + "\nEtag: \"a\"", asked: true},
			{send: `If-None-Match: "z"`, status: 304, answer: fresh, asked: true, told: `If-None-Match: "a"`, body: "answer 1"},
		},

		"HEAD from GET": {{answer: fresh + "\nX-A: 1", asked: true}, {method: "HEAD", has: "X-A: 1"}},
		"HEAD renews": {
			{answer: stale + "\nEtag: \"a\"", asked: true},
			{method: "HEAD", answer: fresh + "\nEtag: \"a\"\nX-A: 1", asked: true}, {has: "X-A: 1"},
		},
		"HEAD invalidates": {
			{answer: fresh + "\nEtag: \"a\"", asked: true},
			{method: "HEAD", send: "Cache-Control: no-cache", answer: fresh + "\nEtag: \"b\"", asked: true}, {answer: fresh, asked: true},
		},
		"HEAD stores nothing": {{method: "HEAD", answer: fresh, asked: true}, {answer: fresh, asked: true}, {}},

		"Vary": {
			{send: "X-A: 1", answer: fresh + "\nVary: X-A", asked: true}, {send: "X-A: 1"},
			{send: "X-A: 2", answer: fresh + "\nVary: X-A", asked: true, has: "Cache-Status: gatelab; fwd=vary-miss*"},
			{answer: fresh + "\nVary: X-A", asked: true}, {send: "X-A: 1", body: "answer 1"}, {send: "X-A: 2", body: "answer 2"},
		},
		"Vary by two": {
			{send: "X-A: 1\nX-B: 1", answer: fresh + "\nVary: X-A\nVary: x-b", asked: true},
			{send: "X-A: 1\nX-B: 2", answer: fresh + "\nVary: X-A, X-B", asked: true}, {send: "X-A: 1\nX-B: 1", body: "answer 1"},
		},
		"Vary by what is negotiated": {
			{send: "Accept-Language: en, de;q=0.5", answer: fresh + "\nVary: Accept-Language", asked: true},
			{send: "Accept-Language: EN,de;q=0.5"}, {send: "Accept-Language: de", answer: fresh + "\nVary: Accept-Language", asked: true},
		},

		"POST invalidates": {
			{answer: fresh, asked: true}, {}, {method: "POST", asked: true, has: "Cache-Status: gatelab; fwd=method"},
			{answer: fresh, asked: true}, {}, {method: "HEAD"},
		},
		"PUT and DELETE invalidate": {
			{answer: fresh, asked: true}, {method: "PUT", status: 204, asked: true, want: 204}, {answer: fresh, asked: true},
			{method: "DELETE", asked: true}, {answer: fresh, asked: true}, {},
		},
		"an error invalidates nothing": {
			{answer: fresh, asked: true}, {method: "POST", status: 500, asked: true, want: 500},
			{method: "POST", status: 404, asked: true, want: 404}, {},
		},
		"a safe method invalidates nothing": {{answer: fresh, asked: true}, {method: "OPTIONS", asked: true}, {}},
		"all variants are invalidated": {
			{send: "X-A: 1", answer: fresh + "\nVary: X-A", asked: true}, {send: "X-A: 2", answer: fresh + "\nVary: X-A", asked: true},
			{method: "POST", asked: true}, {send: "X-A: 1", answer: fresh + "\nVary: X-A", asked: true},
			{send: "X-A: 2", answer: fresh + "\nVary: X-A", asked: true}, {send: "X-A: 1", body: "answer 4"},
		},
		"Location and Content-Location are invalidated": {
			{path: "/a", answer: fresh, asked: true}, {path: "/b?x=1", answer: fresh, asked: true}, {path: "/c", answer: fresh, asked: true},
			{method: "POST", status: 201, answer: "Location: {case}/a\nContent-Location: {case}/b?x=1#f", asked: true, want: 201},
			{path: "/a", answer: fresh, asked: true}, {path: "/b?x=1", answer: fresh, asked: true}, {path: "/c", body: "answer 3"},
		},
		"another origin's Location is not": {
			{path: "/a", answer: fresh, asked: true},
			{method: "POST", status: 201, answer: "Location: http://other.example{case}/a", asked: true, want: 201}, {path: "/a"},
		},

		"a part of what is stored": {
			{answer: fresh + "\nEtag: \"a\"\nLast-Modified: " + modified, text: "0123456789", asked: true},
			{send: "Range: bytes=2-4", want: 206, body: "234", has: "Content-Range: bytes 2-4/10\nEtag: \"a\""},
			{send: "Range: bytes=7-", want: 206, body: "789", has: "Content-Range: bytes 7-9/10"},
			{send: "Range: bytes=-2", want: 206, body: "89", has: "Content-Range: bytes 8-9/10"},
			{send: "Range: bytes=8-99", want: 206, body: "89"}, {send: "Range: bytes=10-", want: 416, has: "Content-Range: bytes */10"},
			{send: "Range: bytes=0-1,4-5"}, {send: "Range: lines=0-1"}, {send: "Range: bytes=4-2"},
			{send: "Range: bytes=0-1\nIf-Range: \"a\"", want: 206, body: "01"}, {send: "Range: bytes=0-1\nIf-Range: \"b\""},
			{send: "Range: bytes=0-1\nIf-Range: W/\"a\""}, {send: "Range: bytes=0-1\nIf-Range: " + modified, want: 206, body: "01"},
			{send: "Range: bytes=0-1\nIf-Range: " + date(0)}, {send: "Range: bytes=0-1\nIf-None-Match: \"a\"", want: 304},
			{method: "HEAD", send: "Range: bytes=0-1"},
		},
		"a part of what is not stored": {
			{send: "Range: bytes=0-1", status: 206, answer: fresh + "\nContent-Range: bytes 0-1/9", asked: true, told: "Range: bytes=0-1",
				want: 206},
			{answer: fresh, asked: true, told: "Range:"}, {},
		},

		"stale-if-error": {
			{answer: stale + ", 5\nCache-Control: stale-if-error=600", asked: true},
			{status: 503, asked: true, body: "answer 1", has: "X-Cache-Status: Stale\nCache-Status: gatelab; fwd=stale; fwd-status=503; ttl=-*"},
			{status: 404, asked: true, want: 404},
		},
		"stale-if-error of the request": {
			{answer: stale + "\nEtag: \"a\"", asked: true},
			{send: "Cache-Control: stale-if-error=600", status: 500, asked: true, body: "answer 1"},
			{status: 500, asked: true, want: 500},
		},
		"stale-if-error against must-revalidate": {
			{answer: stale + "\nEtag: \"a\"\nCache-Control: stale-if-error=600, must-revalidate", asked: true},
			{status: 503, asked: true, want: 503},
		},

		"Cache-Status": {
			{answer: fresh + "\nCache-Status: inner; hit", asked: true, has: "Cache-Status: inner; hit, gatelab; fwd=uri-miss; stored; ttl=*"},
			{has: "Cache-Status: inner; hit, gatelab; hit; ttl=*"},
			{send: "Cache-Control: no-cache", answer: "Cache-Control: no-store", asked: true, has: "Cache-Status: gatelab; fwd=request"},
			{send: "Cache-Control: no-store", asked: true, has: "Cache-Status: gatelab; fwd=bypass"},
		},
	}
	strategies(t, func(t *testing.T, config entity.Record) {
		config["cache_control"] = true
		g := conform(t, config)
		for name, steps := range cases {
			t.Run(name, func(t *testing.T) { g.play(t, steps) })
		}
	})
}
