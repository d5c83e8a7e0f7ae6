import assert from "node:assert/strict";
import { test } from "node:test";
import worker from "../worker.js";
import { numbered, rig } from "./rig.mjs";

// states asks the same twice and gives what the edge did.
async function states(r, path, first, second = first) {
  return [(await r.ask(path, first)).edge, (await r.ask(path, second)).edge].join(" ");
}

test("requests from CN are answered from the cache for 300 s", async () => {
  const r = rig(numbered());
  assert.equal((await r.ask("/models")).edge, "MISS");
  r.tick(299);
  const hit = await r.ask("/models");
  assert.deepEqual([hit.edge, hit.text, hit.header("age")], ["HIT", "answer 1", "299"]);
  r.tick(1);
  const again = await r.ask("/models");
  assert.deepEqual([again.edge, again.text], ["MISS", "answer 2"]);
});

test("requests from elsewhere go straight through", async () => {
  const r = rig(numbered());
  await r.ask("/models");
  const other = await r.ask("/models", { country: "DE" });
  assert.deepEqual([other.edge, other.text], ["BYPASS", "answer 2"]);
  const headers = { "CF-IPCountry": "CN" };
  assert.equal((await r.ask("/models", { cf: { country: "DE" }, headers })).edge, "BYPASS", "request.cf comes first");
  assert.equal((await r.ask("/models", { cf: null, headers })).edge, "HIT", "the header is used where there is no cf");
});

test("what may not be kept is not", async (t) => {
  const cases = {
    "Set-Cookie": { headers: { "set-cookie": "a=b", "cache-control": "public, max-age=60" } },
    "no-store": { headers: { "cache-control": "no-store" } },
    private: { headers: { "cache-control": "private, max-age=60" } },
    "private in capitals": { headers: { "cache-control": "Private" } },
    "no-cache": { headers: { "cache-control": "no-cache" } },
    "max-age=0": { headers: { "cache-control": "max-age=0" } },
    "s-maxage=0 over max-age": { headers: { "cache-control": "max-age=60, s-maxage=0" } },
    "an unreadable max-age": { headers: { "cache-control": "max-age=soon" } },
    "Expires in the past": { headers: { expires: "Thu, 01 Jan 1970 00:00:00 GMT" } },
    "an unreadable Expires": { headers: { expires: "0" } },
    "Age beyond the lifetime": { headers: { "cache-control": "max-age=60", age: "60" } },
    "Vary: *": { headers: { vary: "*" } },
    "Vary: Cookie": { headers: { vary: "Cookie" } },
    "more variants than anyone needs": { headers: { vary: "a,b,c,d,e,f,g,h,i" } },
    "an event stream": { headers: { "content-type": "text/event-stream" } },
    "a large answer": { headers: { "content-length": "9000000" } },
  };
  for (const status of [201, 206, 302, 400, 401, 403, 404, 429, 500, 503]) cases[`status ${status}`] = { status };
  for (const [name, { headers, status }] of Object.entries(cases)) {
    await t.test(name, async () => {
      const r = rig(numbered(headers, status));
      assert.equal(await states(r, "/x"), "BYPASS BYPASS");
      assert.equal(r.seen.length, 2);
      assert.equal(r.cache.size.entries, 0);
    });
  }
});

test("what may be kept is, for no longer than the origin says", async (t) => {
  const cases = {
    "max-age below the TTL": [{ "cache-control": "max-age=60" }, 60],
    "s-maxage over max-age": [{ "cache-control": "max-age=9, s-maxage=120" }, 120],
    "max-age above the TTL": [{ "cache-control": "public, max-age=86400" }, 300],
    "Age counts": [{ "cache-control": "max-age=100", age: "40" }, 60],
    Expires: [{ date: "Thu, 01 Jan 2026 00:00:00 GMT", expires: "Thu, 01 Jan 2026 00:01:40 GMT" }, 100],
    "a quoted directive before it": [{ "cache-control": 'ext="no-store, private", max-age=50' }, 50],
  };
  for (const [name, [headers, ttl]] of Object.entries(cases)) {
    await t.test(name, async () => {
      const r = rig(numbered(headers));
      assert.equal(await states(r, "/x"), "MISS HIT");
      r.tick(ttl - 1);
      const hit = await r.ask("/x");
      assert.equal(hit.edge, "HIT");
      assert.equal(hit.header("cache-control"), headers["cache-control"] ?? null, "the origin's own");
      assert.equal(Number(hit.header("age")), ttl - 1 + Number(headers.age ?? 0));
      r.tick(1);
      assert.equal((await r.ask("/x")).edge, "MISS");
    });
  }
});

test("statuses", async () => {
  for (const status of [200, 203, 301, 308, 410]) assert.equal(await states(rig(numbered({}, status)), "/x"), "MISS HIT", status);
  for (const status of [404, 302]) {
    assert.equal(await states(rig(numbered({ "cache-control": "max-age=10" }, status)), "/x"), "MISS HIT", status);
  }
});

test("methods: only GET fills the cache, HEAD may read it", async () => {
  const r = rig(numbered());
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    assert.equal(await states(r, "/x", { method }), "BYPASS BYPASS", method);
  }
  assert.equal(await states(r, "/x", { method: "HEAD" }), "MISS MISS");
  assert.equal((await r.ask("/x")).edge, "MISS");
  const head = await r.ask("/x", { method: "HEAD" });
  assert.deepEqual([head.edge, head.text], ["HIT", ""]);
});

test("a POST reaches the origin as it is", async () => {
  const r = rig(async (q) => new Response(await q.text(), { status: 201, headers: { "x-type": q.headers.get("content-type") } }));
  const a = await r.ask("/chat", { method: "POST", body: '{"a":1}', headers: { "content-type": "application/json" } });
  assert.deepEqual([a.status, a.text, a.header("x-type"), a.edge], [201, '{"a":1}', "application/json", "BYPASS"]);
});

test("callers with keys share nothing", async () => {
  const r = rig((q, n) => (q.headers.get("apikey") ? new Response(`answer ${n}`) : new Response("no", { status: 401 })));
  const ask = (apikey) => r.ask("/x", { headers: apikey ? { apikey } : {} });
  assert.equal((await ask("alice")).edge, "MISS");
  assert.equal((await ask("alice")).edge, "HIT");
  assert.equal((await ask("bob")).text, "answer 2", "bob has his own");
  assert.equal((await ask()).status, 401, "without a key nothing of alice's");
  assert.equal((await ask("mallory,alice")).edge, "MISS");
});

test("Authorization and Cookie: kept only when the origin says it is for all", async (t) => {
  for (const [name, value] of [["authorization", "Bearer x"], ["cookie", "session=1"]]) {
    for (const [control, want] of [
      [undefined, "BYPASS BYPASS"], ["max-age=60", "BYPASS BYPASS"], ["public, max-age=60", "MISS HIT"], ["s-maxage=60", "MISS HIT"],
    ]) {
      await t.test(`${name}, ${control}`, async () => {
        const r = rig(numbered(control ? { "cache-control": control } : {}));
        assert.equal(await states(r, "/x", { headers: { [name]: value } }), want);
      });
    }
  }
  await t.test("an anonymous answer is not given to somebody", async () => {
    const r = rig(numbered());
    await r.ask("/x");
    const somebody = await r.ask("/x", { headers: { authorization: "Bearer x" } });
    assert.deepEqual([somebody.edge, somebody.text], ["BYPASS", "answer 2"]);
  });
});

test("Vary: each variant is kept by itself", async () => {
  const headers = { vary: "Accept-Language, Accept-Encoding" };
  const r = rig((q, n) => new Response(`${q.headers.get("accept-language")} ${n}`, { headers }));
  const ask = (language, encoding = "gzip, br") => r.ask("/x", { headers: { "accept-language": language, "accept-encoding": encoding } });
  assert.equal((await ask("zh")).edge, "MISS");
  assert.equal((await ask("de")).text, "de 2");
  const zh = await ask("zh", "br,gzip"); // the same set in another order
  assert.deepEqual([zh.edge, zh.text, zh.header("vary")], ["HIT", "zh 1", "accept-encoding, accept-language"]);
  assert.equal((await ask("zh", "identity")).edge, "MISS");
});

test("the key: order of the query does not matter, its content does", async () => {
  const r = rig(numbered());
  await r.ask("/x?b=2&a=1&a=0#top");
  assert.equal((await r.ask("/x?a=1&a=0&b=2")).edge, "HIT");
  for (const other of ["/x?a=0&a=1&b=2", "/x?a=1&a=0", "/x", "/X?a=1&a=0&b=2", "/x?a=1&a=0&b=%32"]) {
    assert.equal((await r.ask(other)).edge, "MISS", other);
  }
});

test("nothing outside the key can poison it", async (t) => {
  const unkeyed = ["X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL",
    "X-HTTP-Method-Override", "Forwarded", "X-Forwarded-Scheme",
    "X-Forwarded-Prefix", "X-Api-Version", "Range", "If-Range", "Content-Type", "CF-Made-Up"];
  for (const name of unkeyed) {
    await t.test(name, async () => {
      const r = rig((q) => new Response(`hello ${q.headers.get(name) ?? "nobody"}`));
      const evil = await r.ask("/x", { headers: { [name]: "bytes=0-1" } });
      assert.equal(evil.edge, "BYPASS");
      assert.equal((await r.ask("/x")).text, "hello nobody");
      assert.equal((await r.ask("/x", { headers: { [name]: "bytes=0-1" } })).edge, "BYPASS");
    });
  }
  await t.test("Origin is part of the key", async () => {
    const r = rig((q) => new Response("x", { headers: { "access-control-allow-origin": q.headers.get("origin") ?? "none" } }));
    await r.ask("/x", { headers: { origin: "https://evil.example" } });
    const allowed = await r.ask("/x", { headers: { origin: "https://good.example" } });
    assert.equal(allowed.header("access-control-allow-origin"), "https://good.example");
  });
  await t.test("parameters that look like the key's own", async () => {
    const r = rig((q) => new Response(q.url));
    for (const path of ["/x?__edge=1", "/x?__variant=1", "/x?%5F_edge=1"]) assert.equal((await r.ask(path)).edge, "BYPASS", path);
    assert.equal((await r.ask("/x")).text, "https://api.example/x");
  });
  await t.test("headers of ours in an answer", async () => {
    const r = rig(numbered({ "x-edge-varies": "accept", "x-edge-ttl": "99999", "x-edge-cache": "HIT" }));
    assert.equal(await states(r, "/x"), "MISS HIT");
    r.tick(300);
    assert.equal((await r.ask("/x")).edge, "MISS");
  });
});

test("a hit does not tell again what spoke of one exchange", async () => {
  const r = rig(numbered({
    "x-ratelimit-remaining-second": "3", "ratelimit-reset": "1", "x-kong-proxy-latency": "9", "x-cache-status": "Miss",
    "x-gateway-node": "g1", "x-origin-body": "abc", etag: '"1"',
  }));
  assert.equal((await r.ask("/x")).header("x-ratelimit-remaining-second"), "3");
  const hit = await r.ask("/x");
  for (const name of ["x-ratelimit-remaining-second", "ratelimit-reset", "x-kong-proxy-latency", "x-cache-status", "x-gateway-node"]) {
    assert.equal(hit.header(name), null, name);
  }
  assert.deepEqual([hit.header("x-origin-body"), hit.header("etag")], ["abc", '"1"']);
});

test("conditional requests: 304 from a hit", async () => {
  const r = rig(numbered({ etag: 'W/"7"' }));
  await r.ask("/x");
  const same = await r.ask("/x", { headers: { "if-none-match": '"6", "7"' } });
  assert.deepEqual([same.status, same.edge, same.text], [304, "HIT", ""]);
  assert.equal((await r.ask("/x", { headers: { "if-none-match": '"8"' } })).status, 200);
});

test("no-store of a client is honoured, no-cache is not", async () => {
  const r = rig(numbered());
  assert.equal((await r.ask("/x", { headers: { "cache-control": "no-store" } })).edge, "BYPASS");
  assert.equal((await r.ask("/x")).edge, "MISS");
  assert.equal((await r.ask("/x", { headers: { "cache-control": "no-cache", pragma: "no-cache" } })).edge, "HIT");
});

test("an origin that fails: stale only where it allowed that", async (t) => {
  for (const [control, broken, want] of [
    ["max-age=60, stale-if-error=600", 503, "STALE"], ["max-age=60, stale-if-error=600", "throws", "STALE"],
    ["max-age=60", 503, "BYPASS"], ["max-age=60, stale-if-error=600, must-revalidate", 503, "BYPASS"],
    ["max-age=60, stale-if-error=600", 404, "BYPASS"],
  ]) {
    await t.test(`${control}, ${broken}`, async () => {
      const r = rig((_, n) => {
        if (n === 1) return new Response("good", { headers: { "cache-control": control } });
        if (broken === "throws") throw new TypeError("fetch failed");
        return new Response("bad", { status: broken });
      });
      await r.ask("/x");
      r.tick(61);
      const a = await r.ask("/x");
      assert.deepEqual([a.edge, a.text], [want, want === "STALE" ? "good" : "bad"]);
      if (want === "STALE" && broken === 503) {
        r.tick(600);
        assert.equal((await r.ask("/x")).edge, "BYPASS", "not for ever");
      }
    });
  }
  await t.test("nothing kept", async () => {
    const r = rig(() => { throw new TypeError("fetch failed"); });
    await assert.rejects(r.ask("/x"), /fetch failed/);
  });
});

test("a cache that fails costs hits and nothing else", async () => {
  const r = rig(numbered());
  globalThis.caches = { default: { match: async () => { throw new Error("match"); }, put: async () => { throw new Error("put"); } } };
  const a = await r.ask("/x");
  assert.deepEqual([a.edge, a.text, a.status], ["MISS", "answer 1", 200]);
});

test("answers stream: the first part passes before the last is there", async () => {
  for (const country of ["CN", "DE"]) {
    let out;
    rig(() => new Response(new ReadableStream({ start: (c) => void (out = c) })));
    const request = new Request("https://api.example/x");
    Object.defineProperty(request, "cf", { value: { country } });
    const response = await worker.fetch(request, {}, { waitUntil() {} });
    const reader = response.body.getReader();
    out.enqueue(new TextEncoder().encode("first"));
    assert.equal(new TextDecoder().decode((await reader.read()).value), "first", country);
    out.close();
    assert.equal((await reader.read()).done, true);
  }
});

test("an answer beyond MAX_BYTES passes whole and is not kept", async () => {
  const part = new Uint8Array(600);
  const body = () => new ReadableStream({ start: (c) => { c.enqueue(part); c.enqueue(part); c.close(); } });
  const r = rig(() => new Response(body()), { MAX_BYTES: "1000" });
  const a = await r.ask("/x");
  assert.deepEqual([a.edge, a.text.length, r.cache.size.entries], ["MISS", 1200, 0]);
});

test("settings", async () => {
  const r = rig(numbered(), { CACHE_COUNTRIES: "cn, HK", CACHE_TTL: "10", HARMLESS_HEADERS: "X-Trace" });
  assert.equal(await states(r, "/x", { country: "HK", headers: { "X-Trace": "1" } }, { headers: { "X-Trace": "2" } }), "MISS HIT");
  r.tick(10);
  assert.equal((await r.ask("/x")).edge, "MISS");
  await assert.rejects(rig(numbered(), { CACHE_TTL: "long" }).ask("/x"), /CACHE_TTL: "long" is not allowed/);
});
