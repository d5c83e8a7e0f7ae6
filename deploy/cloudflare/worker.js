// The edge of the API: a Cloudflare Worker. Requests from CN are answered from
// the edge's cache for up to 300 s; all others go straight through.
//
// It is a shared cache in front of an API with keys: besides whether a response
// may be cached, it matters for which clients. The rules are those of RFC 9111;
// what Cloudflare's Cache API leaves to the Worker (Vary, Authorization, the
// cache key) is implemented here. README.md has the reasons.
//
// X-Edge-Cache of every response is the outcome: HIT, MISS (now stored, or could
// be), STALE (the origin failed) or BYPASS (the cache was not used, or the
// response must not be stored).

const DEFAULTS = {
  CACHE_COUNTRIES: "CN", // comma-separated ISO 3166-1 codes
  CACHE_TTL: "300", // seconds; maximum lifetime, and the default where the origin sets none
  CREDENTIAL_HEADERS: "apikey", // identify a client; each client has a separate cache
  HARMLESS_HEADERS: "", // further request headers that never change a response
  MAX_BYTES: "8388608", // of one response; larger ones pass and are not stored
};

// Request headers that all clients send and that either do not change a response
// or are listed in Vary by an origin where they do. Any other header may change
// the response, so such a request bypasses the cache: what is not in the key
// cannot poison it.
const KNOWN = new Set([
  "accept", "accept-encoding", "accept-language", "user-agent", "host", "connection", "keep-alive", "te",
  "authorization", "cookie", "origin", "referer", "dnt", "priority", "upgrade-insecure-requests", "content-length", "via",
  "cache-control", "pragma", "if-none-match", "if-modified-since",
  "traceparent", "tracestate", "x-request-id",
  // What Cloudflare writes itself, over whatever the client sent:
  "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "true-client-ip", "cdn-loop",
  "cf-connecting-ip", "cf-connecting-ipv6", "cf-ipcountry", "cf-ray", "cf-visitor", "cf-ew-via", "cf-worker",
]);

// Stored by default. Others (such as 404) only where the origin sets a lifetime:
// an error should not last five minutes by default.
const KEPT = new Set([200, 203, 301, 308, 410]);
const KEPT_IF_TOLD = new Set([204, 300, 302, 307, 404, 405, 414, 501]);

// Response headers that describe one exchange or one client's quota and would be
// wrong on a hit.
const ONE_EXCHANGE = /^(x-)?ratelimit-|^x-kong-|^x-cache-|^x-gateway-|^x-request-id$|^retry-after$|^connection$|^keep-alive$|^date$/;

const STORED = "x-edge-stored"; // ms since the epoch
const TTL = "x-edge-ttl"; // seconds for which it is fresh
const CONTROL = "x-edge-cache-control"; // the origin's own Cache-Control
const AGE = "x-edge-age"; // the origin's own Age, in seconds
const VARIES = "x-edge-varies"; // on a marker: the request headers that distinguish the variants

export default {
  async fetch(request, env, ctx) {
    const config = settings(env);
    const country = request.cf?.country ?? request.headers.get("CF-IPCountry") ?? "";
    if (!config.countries.has(country) || !askable(request, config)) {
      return labelled(await fetch(request), "BYPASS");
    }
    const key = await cacheKey(request, config);
    const found = await lookup(key, request);
    if (found && fresh(found)) return hit(request, found, "HIT");

    let response;
    try {
      response = await fetch(request);
    } catch (error) {
      if (found) return hit(request, found, "STALE");
      throw error;
    }
    if (found && [500, 502, 503, 504].includes(response.status)) {
      await response.body?.cancel();
      return hit(request, found, "STALE");
    }
    const ttl = lifetime(request, response, config);
    if (ttl <= 0) return labelled(response, "BYPASS");
    if (request.method !== "GET") return labelled(response, "MISS"); // the response to a HEAD has no body to store
    const [mine, kept] = split(response, config.maxBytes);
    ctx.waitUntil(keep(key, request, kept, ttl));
    return labelled(mine, "MISS");
  },
};

const words = (text) => (text ?? "").split(",").map((s) => s.trim()).filter(Boolean);

function settings(env = {}) {
  const get = (name) => String(env[name] ?? DEFAULTS[name]);
  const list = (name) => words(get(name));
  const number = (name) => {
    const n = Number(get(name));
    if (!Number.isFinite(n) || n < 0) throw new Error(`${name}: "${get(name)}" is not allowed: want a number from 0`);
    return n;
  };
  return {
    countries: new Set(list("CACHE_COUNTRIES").map((c) => c.toUpperCase())),
    ttl: number("CACHE_TTL"),
    credentials: list("CREDENTIAL_HEADERS").map((h) => h.toLowerCase()).sort(),
    harmless: new Set(list("HARMLESS_HEADERS").map((h) => h.toLowerCase())),
    maxBytes: number("MAX_BYTES"),
  };
}

const OURS = ["__edge", "__variant"]; // parameters of keys; a client must not set them

// askable says whether a request may be answered from the cache.
function askable(request, config) {
  if (request.method !== "GET" && request.method !== "HEAD") return false;
  if (request.body) return false;
  const { searchParams } = new URL(request.url);
  if (OURS.some((p) => searchParams.has(p))) return false;
  if (directives(request.headers.get("cache-control")).has("no-store")) return false;
  for (const [name] of request.headers) {
    const known = KNOWN.has(name) || config.credentials.includes(name) || config.harmless.has(name) ||
      name.startsWith("sec-");
    if (!known) return false; // including Range: parts are not stored
  }
  return true;
}

// cacheKey is a URL specific to the client. Queries that differ only in order are
// the same; names that occur twice keep their order. Hashing keeps clients' API
// keys out of the cache's index.
async function cacheKey(request, config) {
  const url = new URL(request.url);
  url.hash = "";
  // Sorted without decoding: queries that are equal only when decoded differ.
  const parts = url.search.slice(1).split("&").filter(Boolean).map((p) => [p.split("=")[0], p]);
  parts.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const who = config.credentials.map((h) => `${h}=${request.headers.get(h) ?? ""}`);
  // An origin that reflects Origin should say Vary: Origin; many do not.
  who.push(`origin=${request.headers.get("origin") ?? ""}`);
  url.search = [...parts.map(([, p]) => p), `__edge=${await digest(who.join("\n"))}`].join("&");
  return url;
}

// Clients recur, and a hash costs more than a lookup in a map.
const digests = new Map();

async function digest(text) {
  const known = digests.get(text);
  if (known) return known;
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  if (digests.size >= 4096) digests.clear();
  digests.set(text, hex);
  return hex;
}

// lookup finds the stored response for a request, stale or fresh. Where the origin
// uses Vary, the plain key has a marker that lists the headers.
async function lookup(key, request) {
  let found = await match(key);
  if (found?.headers.has(VARIES)) {
    found = await match(await variant(key, request, found.headers.get(VARIES).split(",")));
  }
  if (found && personal(request) && !shared(directives(found.headers.get(CONTROL)))) {
    await found.body?.cancel();
    return undefined;
  }
  return found;
}

// match never fails a request: without the cache the edge is a proxy.
const match = (url) => caches.default.match(new Request(url.toString())).catch(() => undefined);

async function variant(key, request, names) {
  const values = names.map((n) => `${n}=${normal(n, request.headers.get(n) ?? "")}`);
  const url = new URL(key);
  url.search += `&__variant=${await digest(values.join("\n"))}`;
  return url;
}

// normal normalizes lists, so that equivalent ones are equal.
function normal(name, value) {
  if (!name.startsWith("accept")) return value;
  return words(value.toLowerCase().replace(/\s+/g, "")).sort().join(",");
}

const personal = (request) => request.headers.has("authorization") || request.headers.has("cookie");

// shared: RFC 9111, 3.5: only these allow a shared cache to serve one client's
// response to another.
const shared = (control) => control.has("public") || control.has("s-maxage") || control.has("must-revalidate");

function directives(value) {
  const out = new Map();
  for (const part of (value ?? "").match(/[^,"]*(?:"[^"]*"[^,"]*)*/g) ?? []) {
    const [name, ...rest] = part.trim().split("=");
    if (name) out.set(name.toLowerCase(), rest.join("=").replace(/^"|"$/g, ""));
  }
  return out;
}

// lifetime returns for how many seconds a response may be stored; 0: not at all.
function lifetime(request, response, config) {
  const { headers, status } = response;
  const control = directives(headers.get("cache-control"));
  if (!KEPT.has(status) && !KEPT_IF_TOLD.has(status)) return 0;
  if (["no-store", "private", "no-cache"].some((d) => control.has(d))) return 0;
  if (headers.has("set-cookie")) return 0;
  if (personal(request) && !shared(control)) return 0;
  const varies = varyNames(response);
  if (varies === null || varies.length > 8 || varies.includes("cookie") || varies.includes("authorization")) return 0;
  if (/^text\/event-stream|^application\/x-ndjson/.test(headers.get("content-type") ?? "")) return 0;
  if (Number(headers.get("content-length") ?? 0) > config.maxBytes) return 0;

  const told = freshness(control, headers);
  if (told === undefined) return KEPT.has(status) ? config.ttl : 0;
  return Math.min(told - seconds(headers.get("age")), config.ttl);
}

// freshness returns the lifetime that the origin sets, undefined for none. An
// invalid one counts as stale.
function freshness(control, headers) {
  for (const name of ["s-maxage", "max-age"]) {
    if (control.has(name)) return /^\d+$/.test(control.get(name)) ? Number(control.get(name)) : 0;
  }
  if (!headers.has("expires")) return undefined;
  const until = Date.parse(headers.get("expires"));
  const from = Date.parse(headers.get("date") ?? "") || Date.now();
  return Number.isNaN(until) ? 0 : (until - from) / 1000;
}

const seconds = (value) => (/^\d+$/.test(value ?? "") ? Number(value) : 0);

// varyNames returns null for *.
function varyNames(response) {
  const names = words(response.headers.get("vary")?.toLowerCase());
  return names.includes("*") ? null : [...new Set(names)].sort();
}

// split duplicates a response: the client's is streamed, the cache's fails beyond
// limit, so that an endless response is not held in memory.
function split(response, limit) {
  const copy = response.clone();
  if (!copy.body) return [response, copy];
  let size = 0;
  const bounded = copy.body.pipeThrough(new TransformStream({
    transform(chunk, out) {
      size += chunk.byteLength;
      if (size > limit) out.error(new Error(`more than ${limit} bytes`));
      else out.enqueue(chunk);
    },
  }));
  return [response, new Response(bounded, copy)];
}

// keep stores a response. A failure only costs a later hit.
async function keep(key, request, response, ttl) {
  const control = directives(response.headers.get("cache-control"));
  // Cloudflare evicts stale entries, so a response that may be served stale when
  // the origin fails is stored for longer than it is fresh.
  const grace = control.has("must-revalidate") || control.has("proxy-revalidate") ? 0 : seconds(control.get("stale-if-error"));
  const until = `public, s-maxage=${Math.ceil(ttl + Math.min(grace, 86400))}`;
  const headers = new Headers();
  for (const [name, value] of response.headers) {
    if (!ONE_EXCHANGE.test(name) && !name.startsWith("x-edge-")) headers.append(name, value);
  }
  headers.set(STORED, String(Date.now()));
  headers.set(TTL, String(ttl));
  headers.set(CONTROL, response.headers.get("cache-control") ?? "");
  headers.set(AGE, String(seconds(response.headers.get("age"))));
  headers.set("cache-control", until);
  for (const name of ["expires", "age", "vary"]) headers.delete(name);
  const varies = varyNames(response);
  if (varies.length > 0) headers.set("x-edge-vary", varies.join(", "));
  try {
    let at = key;
    if (varies.length > 0) {
      at = await variant(key, request, varies);
      const marker = new Response(null, { headers: { [VARIES]: varies.join(","), "cache-control": until } });
      await caches.default.put(new Request(key.toString()), marker);
    }
    await caches.default.put(new Request(at.toString()), new Response(response.body, { status: response.status, headers }));
  } catch {
    await response.body?.cancel().catch(() => {});
  }
}

const elapsed = (kept) => Math.max(0, (Date.now() - Number(kept.headers.get(STORED))) / 1000);
const fresh = (kept) => elapsed(kept) < Number(kept.headers.get(TTL));

// hit restores the origin's response from a stored one.
function hit(request, kept, how) {
  const headers = new Headers();
  for (const [name, value] of kept.headers) {
    if (!name.startsWith("x-edge-") && !name.startsWith("cf-cache-") && name !== "cache-control") headers.append(name, value);
  }
  const control = kept.headers.get(CONTROL);
  if (control) headers.set("cache-control", control);
  if (kept.headers.has("x-edge-vary")) headers.set("vary", kept.headers.get("x-edge-vary"));
  headers.set("age", String(Math.floor(Number(kept.headers.get(AGE)) + elapsed(kept))));
  headers.set("x-edge-cache", how);
  const etag = headers.get("etag");
  const asked = words(request.headers.get("if-none-match"));
  const bare = (tag) => tag.replace(/^W\//, "");
  const same = etag && asked.some((t) => t === "*" || bare(t) === bare(etag));
  const empty = same || request.method === "HEAD";
  if (empty) kept.body?.cancel().catch(() => {});
  if (same) headers.delete("content-length");
  return new Response(empty ? null : kept.body, { status: same ? 304 : kept.status, headers });
}

// labelled streams a response, with the outcome in X-Edge-Cache.
function labelled(response, how) {
  if (response.status === 101) return response; // headers of a WebSocket's response cannot be changed
  const out = new Response(response.body, response);
  out.headers.set("x-edge-cache", how);
  return out;
}
