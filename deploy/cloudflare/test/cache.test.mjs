import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryCache } from "../edge/cache.mjs";

const url = "https://api.example/x";
const kept = { "cache-control": "s-maxage=60" };
const text = async (r) => (r ? r.text() : undefined);

test("put throws where Cloudflare's does", async () => {
  const c = new MemoryCache();
  const post = new Request(url, { method: "POST", body: "x", duplex: "half" });
  await assert.rejects(c.put(post, new Response("x", { headers: kept })), TypeError);
  await assert.rejects(c.put(url, new Response("x", { status: 206, headers: kept })), TypeError);
  await assert.rejects(c.put(url, new Response("x", { headers: { ...kept, vary: "Accept, *" } })), TypeError);
  const used = new Response("x", { headers: kept });
  await used.text();
  await assert.rejects(c.put(url, used), TypeError);
  assert.equal(c.size.entries, 0);
});

test("put keeps nothing where a response forbids it", async () => {
  for (const headers of [
    {}, { "cache-control": "no-store, s-maxage=9" }, { "cache-control": "private, max-age=9" }, { "cache-control": "no-cache" },
    { "cache-control": "max-age=0" }, { "cache-control": "max-age=9", "set-cookie": "a=b" },
    { expires: "Thu, 01 Jan 1970 00:00:00 GMT" },
  ]) {
    const c = new MemoryCache();
    await c.put(url, new Response("x", { headers }));
    assert.equal(await c.match(url), undefined, JSON.stringify(headers));
    assert.equal(c.counts.refused, 1);
  }
});

test("private=Set-Cookie keeps the rest", async () => {
  const c = new MemoryCache();
  await c.put(url, new Response("x", { headers: { "cache-control": "private=Set-Cookie, max-age=9", "set-cookie": "a=b" } }));
  const r = await c.match(url);
  assert.deepEqual([await r.text(), r.headers.get("set-cookie")], ["x", null]);
});

test("s-maxage goes over max-age, and what is over is gone", async () => {
  let now = 0;
  const c = new MemoryCache({ now: () => now });
  await c.put(url, new Response("x", { headers: { "cache-control": "max-age=5, s-maxage=10" } }));
  now = 9_999;
  const r = await c.match(new Request(url));
  assert.deepEqual([await r.text(), r.headers.get("age"), r.headers.get("cf-cache-status")], ["x", "9", "HIT"]);
  now = 10_000;
  assert.equal(await c.match(url), undefined);
  assert.deepEqual([c.size.entries, c.size.bytes, c.counts.expired], [0, 0, 1]);
});

test("a match is a copy: bodies can be read again and again", async () => {
  const c = new MemoryCache();
  await c.put(url, new Response("body", { status: 404, headers: kept }));
  for (let i = 0; i < 3; i++) {
    const r = await c.match(url);
    assert.deepEqual([r.status, await r.text()], [404, "body"]);
  }
  assert.equal(await c.match(new Request(url, { method: "HEAD" })), undefined);
  assert.equal(await text(await c.match(new Request(url, { method: "HEAD" }), { ignoreMethod: true })), "body");
});

test("delete", async () => {
  const c = new MemoryCache();
  await c.put(url, new Response("x", { headers: kept }));
  assert.deepEqual([await c.delete(url), await c.delete(url), c.size.bytes], [true, false, 0]);
});

test("bytes are bounded: what was used longest ago goes first", async () => {
  const c = new MemoryCache({ maxBytes: 3 * 1300 });
  const put = (n) => c.put(`${url}/${n}`, new Response("x".repeat(1000), { headers: kept }));
  for (const n of [1, 2, 3]) await put(n);
  await c.match(`${url}/1`);
  await put(4);
  assert.equal(c.counts.evicted, 1);
  const there = [];
  for (const n of [1, 2, 3, 4]) if (await c.match(`${url}/${n}`)) there.push(n);
  assert.deepEqual(there, [1, 3, 4]);
  for (let n = 5; n < 100; n++) await put(n);
  assert.ok(c.size.bytes <= c.size.max_bytes, `${c.size.bytes} bytes`);
});

test("the same key again replaces, and its bytes are counted once", async () => {
  const c = new MemoryCache();
  const put = (body) => c.put(url, new Response(body, { headers: kept }));
  await put("x".repeat(500));
  await put("y");
  const after = c.size.bytes;
  assert.equal(await text(await c.match(url)), "y");
  const fresh = new MemoryCache();
  await fresh.put(url, new Response("y", { headers: kept }));
  assert.equal(after, fresh.size.bytes);
});

test("one entry is bounded, and an answer that breaks off is not kept", async () => {
  const c = new MemoryCache({ maxEntry: 100 });
  await c.put(url, new Response("x".repeat(101), { headers: kept }));
  await c.put(url, new Response(new ReadableStream({ pull: (out) => out.error(new Error("broken")) }), { headers: kept }));
  assert.deepEqual([c.size.entries, c.counts.refused], [0, 2]);
});
