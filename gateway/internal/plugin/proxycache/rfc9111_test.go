package proxycache

import (
	"testing"

	"gatelab/gateway/internal/entity"
)

// TestStoringByDefault is RFC 9111, 3 and 4.2, and RFC 9213, with the defaults of
// cache_control=true.
func TestStoringByDefault(t *testing.T) {
	const fresh = "Cache-Control: max-age=600"
	cases := []once{
		{name: "nothing explicit", answer: "Etag: \"a\"\nLast-Modified: " + date(-9999)},
		{name: "max-age", answer: fresh, kept: true},
		{name: "max-age=0", answer: "Cache-Control: max-age=0"},
		{name: "s-maxage over max-age", answer: "Cache-Control: max-age=0, s-maxage=600", kept: true},
		{name: "s-maxage=0 over max-age", answer: "Cache-Control: max-age=600, s-maxage=0"},
		{name: "Expires", answer: "Expires: " + date(600), kept: true},
		{name: "Expires in the past", answer: "Expires: " + date(-600)},
		{name: "Expires counts from Date", answer: "Date: " + date(-700) + "\nExpires: " + date(-60)},
		{name: "Expires with a Date that is none", answer: "Date: soon\nExpires: " + date(600), kept: true},
		{name: "max-age over Expires", answer: fresh + "\nExpires: " + date(-600), kept: true},
		{name: "max-age=0 over Expires", answer: "Cache-Control: max-age=0\nExpires: " + date(600)},
		{name: "two Expires", answer: "Expires: " + date(600) + "\nExpires: " + date(600)},
		{name: "Expires 0", answer: "Expires: 0"},
		{name: "Expires with two spaces", answer: "Expires: Sun,  01 Jan 2090 00:00:00 GMT"},
		{name: "Expires in another zone", answer: "Expires: Sun, 01 Jan 2090 00:00:00 UTC"},
		{name: "Expires in any case", answer: "Expires: sun, 01 jan 2090 00:00:00 gmt", kept: true},
		{name: "Expires as asctime", answer: "Expires: Sun Jan  1 00:00:00 2090", kept: true},
		{name: "quoted", answer: `Cache-Control: max-age="600"`, kept: true},
		{name: "single quotes", answer: "Cache-Control: max-age='600'"},
		{name: "negative", answer: "Cache-Control: max-age=-600"},
		{name: "a decimal", answer: "Cache-Control: max-age=600.5"},
		{name: "a number and more", answer: "Cache-Control: max-age=600a"},
		{name: "leading zeros", answer: "Cache-Control: max-age=000600", kept: true},
		{name: "very long", answer: "Cache-Control: max-age=99999999999999999999", kept: true},
		{name: "in capitals", answer: "Cache-Control: MAX-AGE=600", kept: true},
		{name: "two lines", answer: "Cache-Control: public\n" + fresh, kept: true},
		{name: "the same twice", answer: fresh + "\n" + fresh, kept: true},
		{name: "two that differ", answer: fresh + "\nCache-Control: max-age=1000"},
		{name: "within a quoted extension", answer: `Cache-Control: a="max-age=600", b="no-store, max-age=600"`},
		{name: "an extension is ignored", answer: `Cache-Control: a="no-store, private", max-age=600`, kept: true},
		{name: "no-store", answer: fresh + ", no-store"},
		{name: "no-store and a lifetime, two lines", answer: "Cache-Control: no-store\nExpires: " + date(600)},
		{name: "must-understand overrules no-store", answer: fresh + ", no-store, must-understand", kept: true},
		{name: "must-understand, a status that is not", status: 299, answer: fresh + ", must-understand"},
		{name: "private", answer: fresh + ", private"},
		{name: "no-cache without a validator", answer: fresh + ", no-cache"},
		{name: "Pragma of a response says nothing", answer: fresh + "\nPragma: no-cache", kept: true},
		{name: "public without a lifetime", answer: "Cache-Control: public"},
		{name: "Set-Cookie", answer: fresh + "\nSet-Cookie: a=b"},
		{name: "Age below the lifetime", answer: fresh + "\nAge: 100", kept: true},
		{name: "Age beyond the lifetime", answer: fresh + "\nAge: 600"},
		{name: "the first Age", answer: fresh + "\nAge: 0, 9999", kept: true},
		{name: "the first Age of two lines", answer: fresh + "\nAge: 9999\nAge: 0"},
		{name: "Age that is no number", answer: fresh + "\nAge: 1.5"},
		{name: "Age in the thousands of years", answer: fresh + "\nAge: 99999999999999999999"},
		{name: "an old Date", answer: fresh + "\nDate: " + date(-700)},
		{name: "Date in the future", answer: fresh + "\nDate: " + date(700), kept: true},
		{name: "Vary: *", answer: fresh + "\nVary: *"},
		{name: "Vary with a star", answer: fresh + "\nVary: Accept, *"},
		{name: "Authorization", send: "Authorization: a", answer: fresh},
		{name: "Authorization, public", send: "Authorization: a", answer: fresh + ", public", kept: true},
		{name: "Authorization, s-maxage", send: "Authorization: a", answer: "Cache-Control: s-maxage=600", kept: true},
		{name: "Authorization, must-revalidate", send: "Authorization: a", answer: fresh + ", must-revalidate", kept: true},
		{name: "Authorization, proxy-revalidate", send: "Authorization: a", answer: fresh + ", proxy-revalidate"},
		{name: "CDN-Cache-Control over Cache-Control", answer: "CDN-Cache-Control: max-age=600\nCache-Control: no-store", kept: true},
		{name: "CDN-Cache-Control: no-store", answer: "CDN-Cache-Control: no-store\n" + fresh},
		{name: "CDN-Cache-Control: private", answer: "CDN-Cache-Control: max-age=600, private\n" + fresh},
		{name: "CDN-Cache-Control over Expires", answer: "CDN-Cache-Control: max-age=0\nExpires: " + date(600)},
		{name: "CDN-Cache-Control malformed", answer: "CDN-Cache-Control: max-age=0, &\n" + fresh, kept: true},
		{name: "CDN-Cache-Control in capitals", answer: "CDN-Cache-Control: MAX-AGE=0\n" + fresh, kept: true},
		{name: "CDN-Cache-Control empty", answer: "CDN-Cache-Control: \n" + fresh, kept: true},
		{name: "CDN-Cache-Control with a quoted number", answer: "CDN-Cache-Control: max-age=\"600\"\n" + fresh},
		{name: "CDN-Cache-Control with parameters", answer: "CDN-Cache-Control: max-age=600;a=b", kept: true},
		{name: "206", status: 206, answer: fresh + "\nContent-Range: bytes 0-7/100"},
	}
	for _, status := range []int{200, 203, 299, 302, 307, 400, 403, 404, 410, 418, 500, 503, 599} {
		cases = append(cases, once{name: "explicit", status: status, answer: fresh, kept: true}, once{name: "not explicit", status: status})
	}
	strategies(t, func(t *testing.T, config entity.Record) {
		config["cache_control"] = true
		g := conform(t, config)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { g.play(t, c.steps()) })
		}
	})
}

// TestFallbackLifetime is cache_ttl with cache_control=true: for the statuses that RFC
// 9110, 15.1 lists, and the responses that name none.
func TestFallbackLifetime(t *testing.T) {
	g := conform(t, entity.Record{"cache_control": true, "cache_ttl": 600})
	for status, kept := range map[int]bool{
		200: true, 203: true, 301: true, 308: true, 404: true, 410: true, 414: true, 501: true,
		201: false, 302: false, 307: false, 400: false, 500: false, 503: false, 599: false,
	} {
		c := once{status: status, kept: kept}
		g.play(t, c.steps())
		c = once{status: status, answer: "Cache-Control: public", kept: true}
		g.play(t, c.steps())
		c = once{status: status, answer: "Cache-Control: max-age=0"}
		g.play(t, c.steps())
	}
}

// TestStoringWithoutCacheControl is what holds where Cache-Control is not followed.
func TestStoringWithoutCacheControl(t *testing.T) {
	const kind = "Content-Type: text/plain\n"
	g := conform(t, entity.Record{})
	for _, c := range []once{
		{name: "by default", answer: kind, kept: true},
		{name: "another type", answer: "Content-Type: text/html"},
		{name: "a lifetime does not count", answer: kind + "Cache-Control: max-age=0", kept: true},
		{name: "an error", answer: kind, status: 404, kept: true},
		{name: "another error", answer: kind, status: 500},
		{name: "no-store", answer: kind + "Cache-Control: no-store"},
		{name: "private", answer: kind + "Cache-Control: private"},
		{name: "a cookie", answer: kind + "Set-Cookie: a=b"},
		{name: "Authorization", send: "Authorization: a", answer: kind},
	} {
		t.Run(c.name, func(t *testing.T) { g.play(t, c.steps()) })
	}
	// gzip goes to those who accept it.
	g.play(t, []step{
		{send: "Accept-Encoding: gzip", answer: kind + "Content-Encoding: gzip", asked: true},
		{send: "Accept-Encoding: br", answer: kind, asked: true},
		{send: "Accept-Encoding: gzip", body: "answer 1", has: "Content-Encoding: gzip"},
	})
	all := conform(t, entity.Record{"store_private": true})
	for _, c := range []once{
		{name: "no-store", answer: kind + "Cache-Control: no-store", kept: true},
		{name: "a cookie", answer: kind + "Set-Cookie: a=b", kept: true},
		{name: "Authorization", send: "Authorization: a", answer: kind, kept: true},
	} {
		t.Run(c.name+", against the origin's word", func(t *testing.T) { all.play(t, c.steps()) })
	}
}

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
			{send: "Cache-Control: no-cache", status: 304, answer: fresh + "\nEtag: \"a\"", asked: true, told: `If-None-Match: "a"`, body: "answer 1"},
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
			{send: "Cache-Control: only-if-cached", want: 504}, {answer: fresh, asked: true}, {send: "Cache-Control: only-if-cached"},
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
			{send: "Range: bytes=0-1", status: 206, answer: fresh + "\nContent-Range: bytes 0-1/9", asked: true, told: "Range: bytes=0-1", want: 206},
			{answer: fresh, asked: true, told: "Range:"}, {},
		},

		"stale-if-error": {
			{answer: stale + ", 5\nCache-Control: stale-if-error=600", asked: true},
			{status: 503, asked: true, body: "answer 1", has: "X-Cache-Status: Stale\nCache-Status: gatelab; fwd=stale; fwd-status=503; ttl=-*"},
			{status: 404, asked: true, want: 404},
		},
		"stale-if-error of the request": {
			{answer: stale + "\nEtag: \"a\"", asked: true}, {send: "Cache-Control: stale-if-error=600", status: 500, asked: true, body: "answer 1"},
			{status: 500, asked: true, want: 500},
		},
		"stale-if-error against must-revalidate": {
			{answer: stale + "\nEtag: \"a\"\nCache-Control: stale-if-error=600, must-revalidate", asked: true}, {status: 503, asked: true, want: 503},
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
