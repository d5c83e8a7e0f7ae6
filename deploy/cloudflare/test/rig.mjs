// Worker and cache without a network: an origin that is a function, and a clock
// that the test turns.

import { MemoryCache } from "../edge/cache.mjs";
import { webcrypto } from "node:crypto";
import worker from "../worker.js";

globalThis.crypto ??= webcrypto;

// rig runs the Worker against origin(request) => Response. now() is the time of
// everything in milliseconds; tick moves it.
export function rig(origin, env = {}) {
  let now = Date.parse("2026-01-01T00:00:00Z");
  const real = Date.now;
  const cache = new MemoryCache({ now: () => now });
  const seen = [];
  globalThis.caches = { default: cache };
  globalThis.fetch = async (request) => {
    seen.push(request);
    return origin(request, seen.length);
  };
  const ask = async (path, { country = "CN", method = "GET", headers = {}, body, cf = { country } } = {}) => {
    const request = new Request(new URL(path, "https://api.example"), { method, headers, body, ...(body ? { duplex: "half" } : {}) });
    if (cf) Object.defineProperty(request, "cf", { value: cf });
    const later = [];
    Date.now = () => now;
    try {
      const response = await worker.fetch(request, env, { waitUntil: (p) => later.push(p) });
      const text = await response.text();
      await Promise.all(later);
      const header = (n) => response.headers.get(n);
      return { response, text, status: response.status, edge: header("x-edge-cache"), header };
    } finally {
      Date.now = real;
    }
  };
  return { ask, seen, cache, tick: (seconds) => void (now += seconds * 1000) };
}

// numbered is an origin whose every answer is another one.
export const numbered = (headers = {}, status = 200) => (_, n) => new Response(`answer ${n}`, { status, headers });
