"use strict";
/* The picture of one connection: ladder, bands of faults, phases, expectations and curves. Only what is in sight is drawn. */

const SVG = "http://www.w3.org/2000/svg";
/** Pixels of the heading, of the axis of time, of a fault's lane, of the lane of expectations, between two lifelines at least. */
const HEAD = 46;
const AXIS = 74;
const LANE = 16;
const FLAGS = 72;
const APART = 180;

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

class Picture {
  /**
   * @param {any} result
   * @param {any} track
   */
  constructor(result, track) {
    this.faults = result.faults.map((/** @type {any} */ fault) => fault.name);
    this.marks = /** @type {Mark[]} */ (track.marks.map(markOf));
    this.track = track;
    this.bands = bandsOf(result, track);
    this.flags = flagsOf(result, track);
    this.curves = columnsOf(track.curves);
    this.raw = track.curves;
    const curves = /** @type {Curve[]} */ (Object.values(track.curves));
    const lasts = [track.closed ?? result.phases.end, ...this.marks.map((mark) => mark.time), ...curves.map((curve) => curve[0][curve[0].length - 1])];
    this.start = Math.min(track.opened, ...this.marks.slice(0, 1).map((mark) => mark.time));
    this.end = Math.max(this.start + 1e-3, ...lasts.filter(Number.isFinite));
    const pad = (this.end - this.start) * 0.03;
    const inner = this.marks.map((mark) => mark.time).filter((time) => time > this.start && time < this.end);
    this.times = [this.start - pad, this.start, ...inner, this.end, this.end + pad];
    this.phases = phasesOf(result).filter((phase) => phase.time >= this.times[0] && phase.time <= this.end + pad);
    this.shorten = false;
    this.scale = 0;
    /** @type {TimeMap} */
    this.map = timeMap(this.times, 0, false);
    /** @type {Arrow[]} */
    this.arrows = [];
    /** @type {number | null} */
    this.cursor = null;

    this.canvas = svg("svg", { role: "img", "aria-label": `what happened on ${track.label}, in time` });
    this.spacer = h("div", {});
    this.scroll = h("div", { class: "scroll", tabindex: "0" }, this.canvas, this.spacer);
  }

  /** Pixels of time in sight. */
  get room() {
    return Math.max(this.scroll.clientHeight - HEAD, 50);
  }

  /** Where everything stands from left to right. */
  _places() {
    const lanes = AXIS + LANE * this.bands.lanes;
    const right = this.curves.states.length * STATE + this.curves.columns.length * COLUMN;
    const apart = Math.max(APART, (this.scroll.clientWidth - lanes - right - FLAGS - 92) / 2);
    const client = lanes + 34;
    const ladder = { c: client, p: client + apart, s: client + 2 * apart };
    const flags = ladder.s + 42;
    const curves = flags + FLAGS;
    return { lanes, ladder, flags, curves, width: curves + right + 8 };
  }

  draw() {
    if (!this.scale) return;
    const places = this._places();
    const top = this.scroll.scrollTop;
    const height = this.scroll.clientHeight;
    this.canvas.setAttribute("width", String(places.width));
    this.canvas.setAttribute("height", String(height));
    const time = svg("g", { transform: `translate(0 ${HEAD - top})` });
    const sight = { from: top - ROW * 3, to: top + this.room + ROW * 3 };
    this._drawPhases(time, places);
    this._drawBands(time, places, top);
    this._drawAxis(time, sight);
    this._drawLifelines(time, places);
    this._drawCurves(time, places, top);
    for (const arrow of this.arrows) if (arrow.at > sight.from && arrow.at < sight.to) this._drawArrow(time, arrow, places.ladder);
    this._drawFlags(time, places, sight);
    if (this.cursor !== null) {
      const y = yOf(this.map, this.cursor);
      time.append(svg("line", { class: "cursor", x1: 0, x2: places.width, y1: y, y2: y }));
    }
    this.canvas.replaceChildren(time, this._heading(places));
  }

  /** @param {ReturnType<View["_places"]>} places */
  _heading(places) {
    const head = svg("g", {});
    head.append(svg("rect", { class: "head", x: 0, y: 0, width: Math.max(places.width, this.scroll.clientWidth), height: HEAD }));
    const put = (/** @type {number} */ x, /** @type {string} */ text, kind = "name", anchor = "middle", y = 19) =>
      head.append(svg("text", { class: kind, x, y, "text-anchor": anchor }, text));
    put(8, "time", "column", "start");
    put(places.ladder.c, "client");
    put(places.ladder.p, "proxy");
    put(places.ladder.s, "server");
    if (this.flags.length) put(places.flags - 12, "expected", "column", "start");
    let x = places.curves;
    for (const state of this.curves.states) {
      put(x, "state", "column", "start");
      put(x, state.side, `column ${state.side}`, "start", 36);
      x += STATE;
    }
    for (const column of this.curves.columns) {
      put(x, words(column.name), "column", "start");
      put(x, `max ${shown(column.name, column.most)}`, "muted", "start", 36);
      x += COLUMN;
    }
    head.append(svg("line", { class: "rule", x1: 0, x2: Math.max(places.width, this.scroll.clientWidth), y1: HEAD, y2: HEAD }));
    return head;
  }

  /** @param {Element} g @param {{from: number, to: number}} sight */
  _drawAxis(g, sight) {
    const map = this.map;
    let taken = -Infinity;
    const besides = (/** @type {number} */ below) => below > -10 && below < 24; // where a phase's name stands
    const tick = (/** @type {number} */ time, /** @type {number} */ digits) => {
      const y = yOf(map, time);
      if (y < taken + 22 || y < sight.from || y > sight.to || this.phases.some((phase) => besides(yOf(map, phase.time) - y))) return;
      taken = y;
      g.append(svg("text", { class: "tick", x: 8, y: y + 4 }, seconds(time, digits)));
      g.append(svg("line", { class: "rule", x1: AXIS - 12, x2: AXIS - 4, y1: y, y2: y }));
    };
    if (this.shorten) {
      for (const time of this.times.slice(1, -1)) tick(time, 3);
      for (const gap of map.idle)
        if (gap.to > sight.from && gap.from < sight.to) g.append(svg("rect", { class: "idle", x: AXIS - 6, y: gap.from + 3, width: 3, height: gap.to - gap.from - 6 }));
      return;
    }
    const step = niceStep(40 / this.scale);
    const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step))));
    const first = Math.ceil(timeAt(map, Math.max(sight.from, 0)) / step);
    for (let i = first; i * step <= timeAt(map, sight.to) + step; i++) tick(i * step, digits);
  }

  /** @param {Element} g @param {ReturnType<View["_places"]>} places */
  _drawPhases(g, places) {
    for (const phase of this.phases) {
      const y = yOf(this.map, phase.time);
      g.append(svg("line", { class: "phase", x1: 0, x2: places.width, y1: y, y2: y }));
      g.append(svg("text", { class: "phase", x: 8, y: y < 16 ? y + 13 : y - 4 }, phase.name));
    }
  }

  /** @param {Element} g @param {ReturnType<View["_places"]>} places @param {number} top */
  _drawBands(g, places, top) {
    const map = this.map;
    for (const band of this.bands.all) {
      const from = yOf(map, Math.max(band.start, this.times[0]));
      const to = Math.max(yOf(map, Math.min(band.heal ?? this.end, this.end)), from + 2);
      const x = AXIS + band.lane * LANE;
      const colour = `f${band.fault % 6}`;
      g.append(svg("rect", { class: `band ${colour}`, x, y: from, width: places.ladder.s - x + 14, height: to - from }));
      g.append(svg("rect", { class: `bar ${colour}`, x, y: from, width: 3, height: to - from }));
      const seen = { from: Math.max(from, top), to: Math.min(to, top + this.room) };
      const name = this.faults[band.fault];
      if (seen.to - seen.from > name.length * 6.4 + 12) {
        const y = seen.from + 8;
        g.append(svg("text", { class: `lane ${colour}`, x: 0, y: 0, transform: `translate(${x + 6} ${y}) rotate(90)` }, name));
      }
    }
  }

  /** @param {Element} g @param {ReturnType<View["_places"]>} places */
  _drawLifelines(g, places) {
    const map = this.map;
    const from = yOf(map, this.start);
    const to = yOf(map, this.track.closed ?? this.end);
    for (const x of Object.values(places.ladder)) {
      g.append(svg("line", { class: "ghost", x1: x, x2: x, y1: 0, y2: map.height }));
      g.append(svg("line", { class: "life", x1: x, x2: x, y1: from, y2: to }));
    }
  }

  /** @param {Element} g @param {Arrow} arrow @param {Record<string, number>} ladder */
  _drawArrow(g, arrow, ladder) {
    const first = arrow.marks[0];
    const y = arrow.at;
    const kind = `${first.fault >= 0 ? `f${first.fault % 6}` : "plain"} ${first.what.toLowerCase()}${first.lost ? " lost" : ""}`;
    const label = labelOf(arrow, this.faults);
    const x1 = ladder[first.from];
    if (!first.to) {
      g.append(svg("circle", { class: `dot ${kind}`, cx: x1, cy: y, r: 3.5 }));
      const outward = first.from === "s" ? -1 : 1;
      g.append(svg("text", { class: `label ${kind}`, x: x1 + 8 * outward, y: y + 4, "text-anchor": outward < 0 ? "end" : "start" }, label));
      return;
    }
    const x2 = ladder[first.to];
    const way = Math.sign(x2 - x1);
    const stop = first.lost ? x1 + (x2 - x1) * 0.72 : x2 - way * 2;
    const thick = 1.2 + Math.min(Math.log10(1 + arrow.size) * 0.3, 1.8);
    g.append(svg("line", { class: `arrow ${kind}`, x1, x2: first.lost ? stop : stop - way * 5, y1: y, y2: y, "stroke-width": thick }));
    if (first.lost) g.append(svg("path", { class: `cross ${kind}`, d: `M${stop - 4} ${y - 4}l8 8m0 -8l-8 8` }));
    else g.append(svg("path", { class: `tip ${kind}`, d: `M${stop} ${y}l${-8 * way} -4v8z` }));
    g.append(svg("text", { class: `label ${kind}`, x: (x1 + x2) / 2, y: y - 4, "text-anchor": "middle" }, label));
  }

  /** @param {Element} g @param {ReturnType<View["_places"]>} places @param {{from: number, to: number}} sight */
  _drawFlags(g, places, sight) {
    /** @type {number[]} */
    const taken = [];
    for (const flag of this.flags) {
      const y = yOf(this.map, flag.time);
      const place = taken.filter((other) => Math.abs(other - y) < 13).length;
      taken.push(y);
      if (y < sight.from || y > sight.to || place > 3) continue;
      const sign = { passed: "✓", failed: "✗" }[/** @type {"passed"} */ (flag.judged)] ?? "?";
      g.append(svg("text", { class: `flag ${flag.judged}`, x: places.flags + place * 14 - 4, y: y + 4 }, sign));
      if (!place) g.append(svg("line", { class: `flag ${flag.judged}`, x1: places.ladder.s, x2: places.flags - 8, y1: y, y2: y }));
    }
  }

  /** @param {Element} g @param {ReturnType<View["_places"]>} places @param {number} top */
  _drawCurves(g, places, top) {
    const map = this.map;
    let x = places.curves;
    for (const { curve } of this.curves.states) {
      for (const { from, to, state } of stretches(curve, this.end)) {
        const y = yOf(map, from);
        const height = Math.max(yOf(map, to) - y, 1);
        g.append(svg("rect", { class: `state ${state}`, x, y, width: STATE - 6, height }));
        const seen = Math.max(y, top);
        if (y + height - seen > 14) g.append(svg("text", { class: "state", x: x + 3, y: seen + 12 }, state));
      }
      x += STATE;
    }
    for (const column of this.curves.columns) {
      const left = x;
      g.append(svg("line", { class: "ghost", x1: left, x2: left, y1: 0, y2: map.height }));
      for (const side of /** @type {const} */ (["client", "server"])) {
        const curve = column[side];
        if (curve && curve[0].length) g.append(svg("path", { class: `curve ${side}`, d: steps(curve, map, this.end, (value) => left + (value / column.most) * (COLUMN - 16)) }));
      }
      x += COLUMN;
    }
  }
}

/** `send_queue` as people write it. @param {string} name */
const words = (name) => name.replace(/_/g, " ");

/**
 * The times in which a fault was active on this connection, each in a lane of its fault.
 * @param {any} result
 * @param {any} track
 */
function bandsOf(result, track) {
  /** @type {{fault: number, lane: number, start: number, heal: number | null}[]} */
  const all = [];
  let lanes = 0;
  result.faults.forEach((/** @type {any} */ fault, /** @type {number} */ number) => {
    const mine = fault.bands.filter((/** @type {any[]} */ band) => band[2] === track.label || band[2] === "");
    for (const [start, heal] of mine) all.push({ fault: number, lane: lanes, start, heal });
    if (mine.length) lanes++;
  });
  return { all, lanes };
}

/**
 * What was expected of this connection, or of everything, and decided at a moment.
 * @param {any} result
 * @param {any} track
 */
function flagsOf(result, track) {
  /** @type {{time: number, judged: string, wanted: string, got: string}[]} */
  const all = [];
  for (const finding of result.findings)
    for (const [subject, at, got] of finding.members)
      if (at !== null && (subject === track.label || subject === "" || subject === `connection ${track.label}`)) all.push({ time: at, judged: finding.judged, wanted: finding.wanted, got });
  return all.sort((one, other) => one.time - other.time);
}

/**
 * Phases, those that begin at the same moment under one name.
 * @param {any} result
 */
function phasesOf(result) {
  /** @type {{name: string, time: number}[]} */
  const all = [];
  for (const [name, time] of Object.entries(result.phases)) {
    const last = all[all.length - 1];
    // Before the clock starts everything is at 0: what begins there is the faults' phase.
    if (last && time - last.time < 0.02) last.name = last.time < 0.001 && time < 0.001 ? name : last.name;
    else all.push({ name, time });
  }
  return all;
}
