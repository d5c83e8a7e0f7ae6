import assert from "node:assert/strict";
import http from "node:http";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { MemoryCache } from "../edge/cache.mjs";
import { Origin } from "../edge/origin.mjs";
import { Edge, hostPort, load } from "../edge/server.mjs";

const worker = await load(fileURLToPath(new URL("../worker.js", import.meta.url)));
const closing = [];
after(async () => { for (const close of closing.reverse()) await close(); });

// serve is an origin of the test's own.
async function serve(handler) {
  const s = http.createServer(handler);
  await new Promise((done) => s.listen(0, "127.0.0.1", done));
  closing.push(() => new Promise((done) => { s.close(done); s.closeAllConnections(); }));
  return s.address().port;
}

// edge starts an edge before an origin. There is one Worker a process: the test
// that started the last one has it.
async function edge(handler, { maxSockets, timeout = 5000, ...more } = {}) {
  const port = typeof handler === "number" ? handler : await serve(handler);
  const e = new Edge({ worker, origin: new Origin({ host: "127.0.0.1", port, maxSockets, timeout }), cache: new MemoryCache(), ...more });
  const ports = await e.start({ listen: "127.0.0.1:0", status: "127.0.0.1:0" });
  closing.push(() => e.close());
  return { e, ...ports };
}

// ask resolves when the answer is whole.
function ask(port, path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((done, failed) => {
    const q = http.request({ host: "127.0.0.1", port, path, method, headers, agent: false, timeout: 10_000 }, (a) => {
      let text = "";
      const end = () => done({ status: a.statusCode, headers: a.headers, text });
      a.setEncoding("utf8").on("data", (s) => void (text += s)).on("end", end).on("error", failed);
    });
    q.on("timeout", () => q.destroy(new Error("no answer"))).on("error", failed).end(body);
  });
}

const cn = { "CF-IPCountry": "CN" };

test("from client to origin and back, once", async () => {
  const seen = [];
  const { port, status } = await edge((q, a) => {
    seen.push(q.headers);
    a.setHeader("Set-Cookie", q.url === "/cookie" ? ["a=1; Expires=Thu, 01 Jan 2027 00:00:00 GMT", "b=2"] : []);
    a.end(`you asked ${q.url}`);
  });
  const one = await ask(port, "/x?a=1", { headers: { ...cn, apikey: "k", Host: "api.example" } });
  assert.deepEqual([one.status, one.text, one.headers["x-edge-cache"]], [200, "you asked /x?a=1", "MISS"]);
  const got = [seen[0].host, seen[0].apikey, seen[0]["cf-ipcountry"], seen[0]["cf-connecting-ip"]];
  assert.deepEqual(got, ["api.example", "k", "CN", "127.0.0.1"]);
  const two = await ask(port, "/x?a=1", { headers: { ...cn, apikey: "k", Host: "api.example" } });
  assert.deepEqual([two.text, two.headers["x-edge-cache"], seen.length], ["you asked /x?a=1", "HIT", 1]);
  const cookie = await ask(port, "/cookie", { headers: { "CF-IPCountry": "DE" } });
  assert.deepEqual(cookie.headers["set-cookie"], ["a=1; Expires=Thu, 01 Jan 2027 00:00:00 GMT", "b=2"]);
  const stats = JSON.parse((await ask(status, "/stats")).text);
  assert.deepEqual(stats.countries, { CN: { MISS: 1, HIT: 1 }, DE: { BYPASS: 1 } });
  assert.deepEqual([stats.requests, stats.origin.requests, stats.cache.entries], [3, 2, 1]);
  assert.equal((await ask(status, "/health")).status, 200);
  assert.equal((await ask(status, "/nowhere")).status, 404);
  const hosts = {
    "localhost:1": 200, "[::1]:1": 200, "127.0.0.2": 200,
    "evil.example": 403, "127.0.0.1.evil.example": 403, "127.evil.example": 403, "192.0.2.1": 403,
  };
  for (const [host, want] of Object.entries(hosts)) {
    assert.equal((await ask(status, "/stats", { headers: { Host: host } })).status, want, host);
  }
});

test("a client cannot choose who it is", async () => {
  const { port } = await edge((q, a) => a.end(JSON.stringify(q.headers)));
  const got = JSON.parse((await ask(port, "/x", { headers: { "CF-Connecting-IP": "1.2.3.4", "X-Forwarded-Proto": "https" } })).text);
  assert.deepEqual([got["cf-connecting-ip"], got["x-forwarded-proto"]], ["127.0.0.1", "http"]);
});

test("bodies reach the origin as they come", async () => {
  const { port } = await edge((q, a) => {
    let text = "";
    q.on("data", (s) => void (text += s)).on("end", () => a.end(`${q.method} ${text}`));
  });
  const big = "x".repeat(300_000);
  assert.equal((await ask(port, "/chat", { method: "POST", body: big, headers: cn })).text, `POST ${big}`);
  const chunked = { ...cn, "Transfer-Encoding": "chunked" };
  assert.equal((await ask(port, "/chat", { method: "POST", body: "hello", headers: chunked })).text, "POST hello");
});

test("an answer's first part passes while the origin still works", async () => {
  let finish;
  const { port } = await edge((_, a) => {
    a.writeHead(200, { "Content-Type": "text/event-stream" });
    a.write("data: first\n\n");
    finish = () => a.end("data: last\n\n");
  });
  for (const headers of [cn, {}]) {
    const parts = await new Promise((done, failed) => {
      http.get({ host: "127.0.0.1", port, path: "/stream", headers, agent: false }, (a) => {
        const got = [];
        a.on("data", (b) => { if (got.push(String(b)) === 1) finish(); }).on("end", () => done(got)).on("error", failed);
      }).on("error", failed);
    });
    assert.deepEqual(parts, ["data: first\n\n", "data: last\n\n"]);
  }
});

test("connections to the origin are kept, and bounded", async () => {
  let open = 0, most = 0, waiting = [];
  const { port, e } = await edge((_, a) => {
    most = Math.max(most, ++open);
    waiting.push(() => { open--; a.end("ok"); });
    if (waiting.length === 3) for (const go of waiting.splice(0)) go();
  }, { maxSockets: 3 });
  const all = await Promise.all(Array.from({ length: 9 }, (_, i) => ask(port, `/${i}`)));
  assert.deepEqual([all.every((a) => a.status === 200), most], [true, 3]);
  assert.ok(e.origin.counts.connections <= 3, `${e.origin.counts.connections} connections`);
});

test("what is no URL is a 400", async () => {
  const { port } = await edge((_, a) => a.end("reached"));
  assert.equal((await ask(port, "/x", { headers: { Host: "a b" } })).status, 400);
  assert.equal((await ask(port, "http://elsewhere.example/x")).status, 400);
  assert.equal((await ask(port, "//elsewhere.example/x")).text, "reached");
});

test("too many requests at once are refused", async () => {
  const waiting = [];
  const { port, e } = await edge((_, a) => waiting.push(a), { maxInFlight: 2 });
  const held = [ask(port, "/1"), ask(port, "/2")];
  while (waiting.length < 2) await new Promise((done) => setTimeout(done, 5));
  const third = await ask(port, "/3");
  assert.deepEqual([third.status, third.headers["retry-after"], e.counts.refused], [503, "1", 1]);
  for (const a of waiting) a.end();
  await Promise.all(held);
});

test("an origin that is silent is a 504, one that is away a 502", async () => {
  const silent = await edge(() => {}, { timeout: 50 });
  assert.equal((await ask(silent.port, "/x", { headers: cn })).status, 504);
  const s = await serve(() => {});
  await closing.pop()();
  const away = await edge(s);
  assert.equal((await ask(away.port, "/x")).status, 502);
  assert.equal(away.e.counts.failed, 1);
});

test("an origin that breaks off breaks the answer off, and nothing is kept", async () => {
  const { port, e } = await edge((_, a) => {
    a.writeHead(200, { "Content-Length": 100 });
    a.write("half", () => a.destroy());
  });
  await assert.rejects(ask(port, "/x", { headers: cn }));
  assert.equal(e.cache.size.entries, 0);
});

test("a client that goes lets the origin go", { timeout: 10_000 }, async () => {
  let gone;
  const left = new Promise((done) => { gone = done; });
  const { port } = await edge((q, a) => {
    a.write("first");
    q.socket.on("close", gone);
  }, { timeout: 60_000 }); // not what ends it
  const request = { host: "127.0.0.1", port, path: "/x", agent: false };
  http.get(request, (a) => a.once("data", () => a.destroy()).on("error", () => {})).on("error", () => {});
  await left;
});

test("a large answer reaches a slow client whole", async () => {
  const size = 5 << 20;
  const { port } = await edge((_, a) => a.end(Buffer.alloc(size, "x")));
  const got = await new Promise((done, failed) => {
    http.get({ host: "127.0.0.1", port, path: "/x", headers: cn, agent: false }, (a) => {
      let n = 0;
      a.pause();
      setTimeout(() => a.resume(), 30);
      a.on("data", (b) => void (n += b.length)).on("end", () => done(n)).on("error", failed);
    }).on("error", failed);
  });
  assert.equal(got, size);
});

test("a client that does not read holds the origin back", async () => {
  const part = Buffer.alloc(1 << 20), parts = 96;
  let taken = 0;
  const { port } = await edge((_, a) => {
    const more = () => {
      if (taken < parts) a.write(part, (error) => { if (!error) { taken++; more(); } });
    };
    more();
  });
  const client = await new Promise((done, failed) => {
    http.get({ host: "127.0.0.1", port, path: "/x", agent: false }, (a) => done(a.pause())).on("error", failed);
  });
  for (let still = 0, last = -1; still < 15; still = taken === last ? still + 1 : 0) {
    last = taken;
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.ok(taken > 0 && taken < parts / 2, `${taken} of ${parts} MiB went somewhere`);
  client.on("error", () => {}).destroy();
});

test("addresses", () => {
  assert.deepEqual(hostPort(":8000"), { host: undefined, port: 8000 });
  assert.deepEqual(hostPort("[::1]:80"), { host: "::1", port: 80 });
  for (const bad of ["", "8000", "a:b", "a:70000"]) assert.throws(() => hostPort(bad), /want host:port/);
});
