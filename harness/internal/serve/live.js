// Follows a run: draws what its live log says, as it comes.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const grouped = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
  const known = (v) => typeof v === "number" && isFinite(v);
  const ms = (v) => !known(v) ? "n/a" : v >= 1000 ? (v / 1000).toFixed(1) + " s" : v >= 100 ? v.toFixed(0) + " ms" : v.toPrecision(3) + " ms";
  const percent = (v) => !known(v) ? "n/a" : v === 0 ? "0%" : v === 1 ? "100%" : (100 * v).toPrecision(2 + (v >= 0.1)) + "%";
  const points = {qps: [], p99: []};
  const faults = [];
  const most = 3600; // points kept of each line
  let began = null;

  const make = (name, attributes, text) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const round = (top) => {
    const step = 10 ** Math.floor(Math.log10(top));
    for (const m of [1, 2, 2.5, 5, 10]) if (step * m >= top) return step * m;
    return top;
  };
  const draw = (svg, line, style) => {
    const left = 46, right = 390, head = 12, floor = 140;
    const last = Math.max(10, ...line.slice(-1).map((p) => p.at), ...faults.slice(-1).map((f) => f.at));
    const top = round(Math.max(1e-9, ...line.map((p) => p.v)) || 1);
    const x = (at) => left + at / last * (right - left), y = (v) => floor - v / top * (floor - head);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      parts.push(make("line", {class: "grid", x1: left, x2: right, y1: y(top * share), y2: y(top * share)}));
      parts.push(make("text", {class: "tick", "text-anchor": "end", x: left - 6, y: y(top * share) + 4}, line.length ? +(top * share).toPrecision(3) : ""));
      parts.push(make("text", {class: "tick", "text-anchor": share ? "end" : "start", x: x(last * share), y: floor + 18}, Math.round(last * share) + " s"));
    }
    for (const f of faults) {
      const mark = make("line", {class: "mark", x1: x(f.at), x2: x(f.at), y1: head, y2: floor});
      mark.append(make("title", {}, f.text));
      parts.push(mark);
    }
    // Attacks with a pause between them are lines of their own.
    let path = "";
    line.forEach((p, i) => { path += (i && p.at - line[i - 1].at < 4 && p.of === line[i - 1].of ? "L" : "M") + x(p.at).toFixed(1) + " " + y(p.v).toFixed(1); });
    if (path) parts.push(make("path", {class: "line " + style, d: path}));
    svg.replaceChildren(...parts);
  };
  const keep = (line, at, v, of) => {
    if (!known(v)) return;
    line.push({at, v, of});
    if (line.length > most) line.shift();
  };
  let drawing = false;
  const later = () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      draw($("plot-qps"), points.qps, "l0");
      draw($("plot-p99"), points.p99, "l3");
    });
  };
  const say = (at, text, kind) => {
    const item = document.createElement("li"), time = document.createElement("time");
    time.textContent = at.toFixed(1) + " s";
    item.append(time, text);
    item.className = kind;
    $("log").prepend(item);
    while ($("log").children.length > 500) $("log").lastChild.remove();
  };
  const badge = (state) => {
    $("state").textContent = state;
    $("state").className = "badge " + state;
  };
  const attack = (e, at) => {
    const of = e.stage + " " + (e.model || "");
    $("phase").textContent = of + "-loop: " + (e.state || "");
    $("progress").hidden = !known(e.total_s);
    $("progress").value = e.total_s > 0 ? Math.min(1, e.elapsed_s / e.total_s) : 0;
    $("clock").textContent = known(e.total_s) ? e.elapsed_s.toFixed(0) + " of " + e.total_s.toFixed(0) + " s" : "";
    $("qps").textContent = known(e.qps) ? grouped.format(e.qps) : "n/a";
    $("p50").textContent = ms(e.p50_ms);
    $("p99").textContent = ms(e.p99_ms);
    $("errors").textContent = percent(e.error_rate);
    $("hits").textContent = percent(e.hit_ratio);
    keep(points.qps, at, e.qps, of);
    keep(points.p99, at, e.p99_ms, of);
  };
  const end = (e, at) => {
    const state = e.valid === true ? "valid" : e.valid === false ? "INVALID" : "no report";
    badge(state);
    $("verdict").className = "verdict " + state;
    $("progress").hidden = true;
    $("clock").textContent = "";
    $("phase").textContent = e.valid === undefined ? "The run ended without a report: " + (e.text || "no reason was given") : "The run is over. ";
    if (e.valid !== undefined) {
      const link = document.createElement("a");
      link.href = document.body.dataset.report;
      link.textContent = "Read its report.";
      $("phase").append(link);
    }
    say(at, "over: " + state, "end");
  };
  const take = (e) => {
    const now = Date.parse(e.at) / 1000;
    if (began === null) began = now;
    const at = Math.max(0, now - began);
    switch (e.kind) {
      case "attack": attack(e, at); break;
      case "end": end(e, at); break;
      case "fault": faults.push({at, text: e.text}); // falls through
      default:
        say(at, e.text || e.kind, e.kind);
        if (e.kind !== "fault") $("phase").textContent = e.text || e.kind;
    }
    later();
  };

  later();
  if (!document.body.dataset.events) return;
  const source = new EventSource(document.body.dataset.events);
  source.onopen = () => badge("running");
  source.onmessage = (m) => {
    const e = JSON.parse(m.data);
    take(e);
    if (e.kind === "end") source.close();
  };
  source.onerror = () => badge(source.readyState === EventSource.CLOSED ? "not followed" : "reconnecting");
})();
