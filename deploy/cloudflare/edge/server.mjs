// An edge node of the lab: runs worker.js, unchanged, on Node.
//
// It provides what that Worker uses of Cloudflare's runtime: the fetch handler,
// request.cf.country, caches.default, fetch() to the origin, ctx.waitUntil.
// Cloudflare derives a client's country from its address; here the client sends it
// in CF-IPCountry, which Cloudflare would overwrite.
//
//   node server.mjs --listen=:8000 --status=:8100 --origin=lb:8000 --worker=./worker.js
//     [--var=NAME=VALUE]... [--cache-bytes=67108864] [--max-sockets=256]
//     [--max-in-flight=1024] [--timeout-ms=30000]

import http from "node:http";
import { isIP, isIPv4 } from "node:net";
import { Readable } from "node:stream";
import { webcrypto } from "node:crypto";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { MemoryCache } from "./cache.mjs";
import { Origin } from "./origin.mjs";

globalThis.crypto ??= webcrypto; // Node 18 has it under another name only

// hostPort reads "host:port" or ":port".
export function hostPort(text) {
  const at = text.lastIndexOf(":");
  const port = Number(text.slice(at + 1));
  if (at < 0 || !Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`address "${text}" is not allowed: want host:port`);
  return { host: text.slice(0, at).replace(/^\[|\]$/g, "") || undefined, port };
}

// Edge is a running edge node.
export class Edge {
  counts = { requests: 0, failed: 0, refused: 0, in_flight: 0, in_flight_max: 0 };
  countries = {}; // by country: X-Edge-Cache -> requests
  #servers = [];

  constructor({ worker, env = {}, origin, cache, maxInFlight = 1024 }) {
    this.worker = worker;
    this.env = env;
    this.origin = origin;
    this.cache = cache;
    this.maxInFlight = maxInFlight;
    // The Worker finds these as globals, and there is one Worker per process.
    globalThis.caches = { default: cache };
    globalThis.fetch = origin.fetch;
  }

  // start listens and returns the ports, which are free ones where they were 0.
  async start({ listen, status }) {
    const limits = { requestTimeout: 60_000, headersTimeout: 15_000, keepAliveTimeout: 75_000 };
    const front = http.createServer(limits, (q, s) => this.#serve(q, s));
    front.maxConnections = 8192;
    const back = http.createServer({ requestTimeout: 30_000, headersTimeout: 15_000 }, (q, s) => this.#tell(q, s));
    this.#servers = [front, back];
    return { port: await open(front, hostPort(listen)), status: await open(back, hostPort(status)) };
  }

  async close() {
    await Promise.all(this.#servers.map((s) => new Promise((done) => {
      s.close(done);
      s.closeAllConnections();
    })));
    this.origin.close();
  }

  stats() {
    return { ...this.counts, countries: this.countries, cache: { ...this.cache.counts, ...this.cache.size }, origin: this.origin.counts };
  }

  async #serve(question, answer) {
    if (this.counts.in_flight >= this.maxInFlight) {
      this.counts.refused++;
      answer.writeHead(503, { "retry-after": "1", "content-type": "text/plain" }).end("too many requests at once\n");
      return;
    }
    this.counts.requests++;
    this.counts.in_flight_max = Math.max(this.counts.in_flight_max, ++this.counts.in_flight);
    const gone = new AbortController();
    answer.on("close", () => {
      if (!answer.writableFinished) gone.abort();
    });
    const later = [];
    let request;
    try {
      request = ask(question, gone.signal);
      const ctx = { waitUntil: (p) => void later.push(Promise.resolve(p).catch(() => {})), passThroughOnException() {} };
      const response = await this.worker.fetch(request, this.env, ctx);
      this.#count(request.cf.country, response.headers.get("x-edge-cache"));
      await reply(answer, response);
    } catch (error) {
      if (!gone.signal.aborted) this.counts.failed++;
      if (answer.headersSent) answer.destroy();
      else {
        const status = !request ? 400 : error?.cause?.code === "ETIMEDOUT" ? 504 : 502;
        answer.writeHead(status, { "content-type": "text/plain", "x-edge-cache": "BYPASS" }).end(`${error?.message}\n`);
      }
    } finally {
      this.counts.in_flight--;
      await Promise.all(later);
    }
  }

  #count(country, how) {
    const name = /^[A-Z][A-Z0-9]$/.test(country ?? "") ? country : "other"; // bounded: clients choose it
    const of = (this.countries[name] ??= {});
    of[how ?? "none"] = (of[how ?? "none"] ?? 0) + 1;
  }

  #tell(question, answer) {
    if (!ours(question)) {
      const message = "Host is none of this listener's: want loopback or its address";
      answer.writeHead(403, { "content-type": "application/json" }).end(JSON.stringify({ message }));
      return;
    }
    const body = { "/health": { status: "ok" }, "/stats": this.stats() }[question.url];
    answer.writeHead(body ? 200 : 404, { "content-type": "application/json" });
    answer.end(JSON.stringify(body ?? { message: "want /health or /stats" }));
  }
}

// ours reports whether a Host is loopback or the address at which the connection
// arrived. A web page with a name that resolves to it (DNS rebinding) sends that
// name.
function ours(question) {
  const host = (question.headers.host ?? "").toLowerCase().replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  const local = question.socket.localAddress?.replace(/^::ffff:/, "");
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127.")) || (isIP(host) > 0 && host === local);
}

// ask converts an incoming request to a Worker's Request.
function ask(question, signal) {
  const headers = new Headers();
  for (let i = 0; i < question.rawHeaders.length; i += 2) headers.append(question.rawHeaders[i], question.rawHeaders[i + 1]);
  const from = question.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
  const country = headers.get("cf-ipcountry")?.toUpperCase();
  headers.set("cf-connecting-ip", from);
  headers.append("x-forwarded-for", from);
  headers.set("x-forwarded-proto", "http");
  const body = question.method !== "GET" && question.method !== "HEAD" &&
    (question.headers["content-length"] > 0 || question.headers["transfer-encoding"]);
  const request = new Request(`http://${question.headers.host ?? "edge"}${question.url}`, {
    method: question.method, headers, signal, redirect: "manual", ...(body ? { body: Readable.toWeb(question), duplex: "half" } : {}),
  });
  Object.defineProperty(request, "cf", { value: { country, colo: "LAB" } });
  return request;
}

async function reply(answer, response) {
  const headers = [];
  for (const [name, value] of response.headers) if (name !== "set-cookie") headers.push(name, value);
  for (const cookie of cookies(response.headers)) headers.push("set-cookie", cookie);
  answer.writeHead(response.status, response.statusText || undefined, headers);
  if (!response.body) return void answer.end();
  // Without a Node stream around the web stream, which would cost more than
  // everything else here.
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return void answer.end();
      if (!answer.write(value)) await drained(answer);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

// drained waits until a client reads more, and fails when it is gone.
function drained(answer) {
  return new Promise((done, failed) => {
    const gone = () => failed(new Error("the client has gone"));
    answer.once("close", gone);
    answer.once("drain", () => {
      answer.off("close", gone);
      done();
    });
    if (answer.destroyed) gone();
  });
}

// cookies returns the separate Set-Cookie headers, also where an older Node only has
// them joined: a comma that is not followed by a name is part of a date.
function cookies(headers) {
  if (headers.getSetCookie) return headers.getSetCookie();
  return headers.get("set-cookie")?.split(/,(?=\s*[^;,=\s]+=)/).map((s) => s.trim()) ?? [];
}

function open(server, { host, port }) {
  return new Promise((done, failed) => {
    server.once("error", failed);
    server.listen({ host, port, backlog: 4096 }, () => done(server.address().port));
  });
}

// load imports a Worker's module.
export const load = async (path) => (await import(pathToFileURL(path))).default;

async function main() {
  const text = { type: "string" };
  const { values: v } = parseArgs({ options: {
    listen: { ...text, default: ":8000" }, status: { ...text, default: ":8100" }, origin: text, worker: text,
    var: { ...text, multiple: true, default: [] }, "cache-bytes": text, "max-sockets": text, "max-in-flight": text, "timeout-ms": text,
  } });
  if (!v.origin || !v.worker) throw new Error("--origin and --worker: want both");
  const whole = (name, fallback) => {
    const n = Number(v[name] ?? fallback);
    if (!Number.isInteger(n) || n < 1) throw new Error(`--${name}: "${v[name]}" is not allowed: want a whole number from 1`);
    return n;
  };
  const edge = new Edge({
    worker: await load(v.worker),
    env: Object.fromEntries(v.var.map((s) => [s.slice(0, s.indexOf("=")), s.slice(s.indexOf("=") + 1)])),
    origin: new Origin({
      host: "127.0.0.1", ...defined(hostPort(v.origin)), maxSockets: whole("max-sockets", 256), timeout: whole("timeout-ms", 30_000),
    }),
    cache: new MemoryCache({ maxBytes: whole("cache-bytes", 64 << 20) }),
    maxInFlight: whole("max-in-flight", 1024),
  });
  const ports = await edge.start({ listen: v.listen, status: v.status });
  console.log(`edge: listening on ${ports.port}, status on ${ports.status}, origin ${v.origin}, node ${process.version}`);
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => edge.close().then(() => process.exit(0)));
}

const defined = (o) => Object.fromEntries(Object.entries(o).filter(([, x]) => x !== undefined));

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(`edge: ${error.message}`);
    process.exit(1);
  });
}
