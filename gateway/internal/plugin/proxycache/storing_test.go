package proxycache

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
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
	for _, status := range []int{400, 401, 403, 412, 416, 429, 431} {
		cases = append(cases, once{name: "the request's own fault", status: status, answer: fresh})
	}
	for _, status := range []int{200, 203, 299, 302, 307, 404, 410, 418, 499, 500, 503, 599} {
		cases = append(cases, once{name: "explicit", status: status, answer: fresh, kept: true},
			once{name: "not explicit", status: status})
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
		201: false, 302: false, 307: false, 418: false, 500: false, 503: false, 599: false,
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
