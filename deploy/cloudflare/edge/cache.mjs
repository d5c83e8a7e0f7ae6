// The part of Cloudflare's Cache API that a Worker uses, in memory: match, put
// and delete on one cache, with Cloudflare's documented rules. Vary is
// ignored there, too; Range and If-Modified-Since of a key are not
// implemented here.

const REFUSED = ["no-store", "private", "no-cache"];

// MemoryCache evicts the least recently used entries above maxBytes. Concurrent
// misses of one key are not coalesced: each goes to the origin, as with
// Cloudflare's own Cache API, and the last put wins.
export class MemoryCache {
  #entries = new Map(); // URL -> entry, least recently used first
  #bytes = 0;
  #max;
  #maxEntry;
  #now;
  counts = { hits: 0, misses: 0, stored: 0, refused: 0, evicted: 0, expired: 0 };

  // maxBytes bounds bodies and headers of all entries, maxEntry those of one.
  // now returns milliseconds.
  constructor({ maxBytes = 64 << 20, maxEntry = 16 << 20, now = Date.now } = {}) {
    this.#max = maxBytes;
    this.#maxEntry = Math.min(maxEntry, maxBytes);
    this.#now = now;
  }

  get size() {
    return { entries: this.#entries.size, bytes: this.#bytes, max_bytes: this.#max };
  }

  async match(request, { ignoreMethod = false } = {}) {
    const key = keyOf(request);
    if (key.method !== "GET" && !ignoreMethod) return undefined;
    const e = this.#entries.get(key.url);
    if (!e || e.until <= this.#now()) {
      if (e) {
        this.#drop(key.url);
        this.counts.expired++;
      }
      this.counts.misses++;
      return undefined;
    }
    this.#entries.delete(key.url);
    this.#entries.set(key.url, e);
    this.counts.hits++;
    const headers = new Headers(e.headers);
    headers.set("cf-cache-status", "HIT");
    headers.set("age", String(Math.floor((this.#now() - e.at) / 1000)));
    return new Response(e.body.byteLength ? e.body : null, { status: e.status, headers });
  }

  // put throws where Cloudflare's throws, and silently stores nothing where
  // Cloudflare's fails internally with 413.
  async put(request, response) {
    const key = keyOf(request);
    if (key.method !== "GET") throw new TypeError(`cache.put: method ${key.method}: want GET`);
    if (response.status === 206) throw new TypeError("cache.put: a 206 is not kept");
    if (response.status === 304) throw new TypeError("cache.put: a 304 is not kept");
    if (/(^|,)\s*\*\s*(,|$)/.test(response.headers.get("vary") ?? "")) throw new TypeError("cache.put: Vary: * is not kept");
    if (response.bodyUsed) throw new TypeError("cache.put: the body is used up");
    const { seconds, headers } = storable(response, this.#now());
    const body = seconds > 0 ? await read(response, this.#maxEntry) : undefined;
    if (body === undefined) {
      await response.body?.cancel().catch(() => {});
      this.counts.refused++;
      return;
    }
    const size = body.byteLength + key.url.length + headers.reduce((n, [k, v]) => n + k.length + v.length, 128);
    this.#drop(key.url);
    const at = this.#now();
    this.#entries.set(key.url, { status: response.status, headers, body, size, at, until: at + seconds * 1000 });
    this.#bytes += size;
    this.counts.stored++;
    while (this.#bytes > this.#max) {
      this.#drop(this.#entries.keys().next().value);
      this.counts.evicted++;
    }
  }

  async delete(request, { ignoreMethod = false } = {}) {
    const key = keyOf(request);
    return (key.method === "GET" || ignoreMethod) && this.#drop(key.url);
  }

  #drop(url) {
    const e = this.#entries.get(url);
    if (!e) return false;
    this.#entries.delete(url);
    this.#bytes -= e.size;
    return true;
  }
}

function keyOf(request) {
  if (typeof request === "string" || request instanceof URL) return { method: "GET", url: new URL(request).href };
  return { method: request.method, url: request.url };
}

// storable returns for how long a response is stored, 0 for not at all, and with
// which headers. A response without a lifetime gets none here; Cloudflare derives
// one from the status.
function storable(response, now) {
  const control = (response.headers.get("cache-control") ?? "").toLowerCase().split(",").map((s) => s.trim());
  const headers = [...response.headers].filter(([k]) => k !== "set-cookie");
  const withoutCookie = control.some((d) => /^private="?set-cookie"?$/.test(d));
  if (response.headers.has("set-cookie") && !withoutCookie) return { seconds: 0, headers };
  if (control.some((d) => REFUSED.includes(d))) return { seconds: 0, headers };
  for (const name of ["s-maxage", "max-age"]) {
    const d = control.find((c) => c.startsWith(name + "="));
    if (d) return { seconds: Number(d.slice(name.length + 1).replace(/"/g, "")) || 0, headers };
  }
  const expires = Date.parse(response.headers.get("expires") ?? "");
  return { seconds: Number.isNaN(expires) ? 0 : (expires - now) / 1000, headers };
}

// read returns a whole body, undefined where it is larger than limit or truncated.
async function read(response, limit) {
  if (!response.body) return new Uint8Array(0);
  const parts = [];
  let size = 0;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.byteLength;
      if (size > limit) {
        await reader.cancel();
        return undefined;
      }
      parts.push(value);
    }
  } catch {
    return undefined;
  } finally {
    reader.releaseLock();
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.byteLength;
  }
  return all;
}
