// fetch() as a Worker on a route has it: requests go to the origin regardless of
// the URL's host, over a bounded pool of keep-alive connections.

import http from "node:http";
import { Readable } from "node:stream";

// Hop-by-hop headers (RFC 9110, 7.6.1); Node writes its own.
const HOP = new Set(["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"]);

const BODILESS = new Set([101, 204, 205, 304]);

// Origin sends requests to one host:port. A response whose header takes longer than
// timeout milliseconds, or a pause that long in its body, is a TypeError, as every
// failure of fetch() is.
export class Origin {
  counts = { requests: 0, failed: 0, connections: 0 };
  #agent;
  #host;
  #port;
  #timeout;

  constructor({ host, port, maxSockets = 256, timeout = 30_000 }) {
    this.#host = host;
    this.#port = port;
    this.#timeout = timeout;
    this.#agent = new http.Agent({ keepAlive: true, maxSockets, maxFreeSockets: maxSockets, scheduling: "lifo" });
  }

  close() {
    this.#agent.destroy();
  }

  // fetch is bound, so that it can replace the global one.
  fetch = async (input, init) => {
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    this.counts.requests++;
    try {
      return await this.#send(request);
    } catch (error) {
      this.counts.failed++;
      throw error;
    }
  };

  #send(request) {
    const url = new URL(request.url);
    const headers = {};
    for (const [name, value] of request.headers) if (!HOP.has(name)) headers[name] = value;
    headers.host = request.headers.get("host") ?? url.host;
    if (request.body && headers["content-length"] === undefined) headers["transfer-encoding"] = "chunked";
    return new Promise((resolve, reject) => {
      const failed = (why) => reject(new TypeError(`fetch failed: ${why.message}`, { cause: why }));
      const out = http.request({
        agent: this.#agent, host: this.#host, port: this.#port, method: request.method,
        path: url.pathname + url.search, headers, timeout: this.#timeout, signal: request.signal,
      });
      out.on("socket", (s) => {
        if (s.connecting) this.counts.connections++;
      });
      out.on("timeout", () => out.destroy(Object.assign(new Error("the origin took too long"), { code: "ETIMEDOUT" })));
      out.on("error", failed);
      out.on("response", (answer) => {
        try {
          resolve(respond(answer, request.method));
        } catch (error) {
          answer.destroy();
          failed(error);
        }
      });
      if (!request.body) return out.end();
      const body = Readable.fromWeb(request.body);
      body.on("error", (error) => out.destroy(error));
      body.pipe(out);
    });
  }
}

// web converts a Node stream, with backpressure.
function web(answer) {
  let open = true;
  return new ReadableStream({
    start(out) {
      answer.on("data", (chunk) => {
        out.enqueue(chunk);
        if (out.desiredSize <= 0) answer.pause();
      });
      answer.on("end", () => {
        open = false;
        out.close();
      });
      answer.on("close", () => {
        if (open) out.error(new TypeError("the origin broke off"));
        open = false;
      });
      answer.on("error", () => {}); // close follows
      answer.pause();
    },
    pull() {
      answer.resume();
    },
    cancel() {
      open = false;
      answer.destroy();
    },
  }, { highWaterMark: 65536, size: (chunk) => chunk.byteLength });
}

function respond(answer, method) {
  const headers = new Headers();
  for (let i = 0; i < answer.rawHeaders.length; i += 2) {
    if (!HOP.has(answer.rawHeaders[i].toLowerCase())) headers.append(answer.rawHeaders[i], answer.rawHeaders[i + 1]);
  }
  const empty = method === "HEAD" || BODILESS.has(answer.statusCode);
  if (empty) answer.resume(); // returns the connection to the pool
  return new Response(empty ? null : web(answer), { status: answer.statusCode, statusText: answer.statusMessage, headers });
}
