"use strict";
/* The picture of one connection: ladder, bands of faults, phases, expectations and curves. Only what is in sight is drawn. */

/** Pixels of the heading, of the axis of time, of a fault's lane, of the lane of expectations, between two lifelines at least. */
const HEAD = 46;
const AXIS = 74;
const LANE = 16;
const FLAGS = 62;
const APART = 164;
/** Pixels of the strip of states beside a lifeline. */
const STRIP = 16;

/**
 * Where everything stands from left to right.
 * @typedef {{lanes: number, ladder: Record<string, number>, apart: number, flags: number, curves: number, width: number}} Places
 */

class Picture {
  /**
   * @param {any} result
   * @param {any} track
   */
  constructor(result, track) {
    this.faults = result.faults.map((/** @type {any} */ fault) => fault.name);
    this.marks = marksOf(track.marks);
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

    this.canvas = svg("svg", { role: "img", "aria-label": `what happened on ${track.label}, in time` });
    this.spacer = h("div", {});
    this.scroll = h("div", { class: "scroll", tabindex: "0" }, this.canvas, this.spacer);
  }

  /** Pixels of time in sight. */
  get room() {
    return Math.max(this.scroll.clientHeight - HEAD, 50);
  }

  /** @returns {Places} */
  places() {
    const lanes = AXIS + LANE * this.bands.lanes;
    const right = this.curves.columns.length * COLUMN;
    const beside = 2 * (STRIP + 12);
    const apart = Math.max(APART, Math.min((this.scroll.clientWidth - lanes - right - FLAGS - beside - 30) / 2, 2 * APART));
    const client = lanes + STRIP + 20;
    const ladder = { c: client, p: client + apart, s: client + 2 * apart };
    const flags = ladder.s + STRIP + 24;
    const curves = flags + FLAGS;
    return { lanes, ladder, apart, flags, curves, width: curves + right + 8 };
  }

  draw() {
    if (!this.scale) return;
    const places = this.places();
    const top = this.scroll.scrollTop;
    const height = this.scroll.clientHeight;
    this.canvas.setAttribute("width", String(Math.max(places.width, this.scroll.clientWidth)));
    this.canvas.setAttribute("height", String(height));
    const time = svg("g", { transform: `translate(0 ${HEAD - top})` });
    const sight = { from: top - ROW * 3, to: top + this.room + ROW * 3 };
    this._drawPhases(time, places);
    this._drawBands(time, places, top);
    this._drawAxis(time, sight);
    this._drawLifelines(time, places, top);
    this._drawCurves(time, places);
    this._drawFlags(time, places, sight);
    for (const arrow of this.arrows) if (arrow.at > sight.from && arrow.at < sight.to) drawArrow(time, arrow, places, this.faults);
    this.canvas.replaceChildren(time, this._heading(places));
  }

  /** @param {Places} places */
  _heading(places) {
    const head = svg("g", {});
    const width = Math.max(places.width, this.scroll.clientWidth);
    head.append(svg("rect", { class: "head", x: 0, y: 0, width, height: HEAD }));
    const put = (/** @type {number} */ x, /** @type {string} */ text, kind = "name", anchor = "middle", y = 19) =>
      head.append(svg("text", { class: kind, x, y, "text-anchor": anchor }, text));
    put(8, "time", "column", "start");
    put(places.ladder.c, "client");
    put(places.ladder.p, "proxy");
    put(places.ladder.s, "server");
    if (this.raw["client.tcp_state"]) put(places.ladder.c, "state to its left", "muted", "middle", 36);
    if (this.raw["server.tcp_state"]) put(places.ladder.s, "state to its right", "muted", "middle", 36);
    if (this.flags.length) put(places.flags - 4, "expected", "column", "start");
    let x = places.curves;
    for (const column of this.curves.columns) {
      put(x, words(column.name), "column", "start");
      put(x, `max ${shown(column.name, column.most)}`, "muted", "start", 36);
      x += COLUMN;
    }
    head.append(svg("line", { class: "rule", x1: 0, x2: width, y1: HEAD, y2: HEAD }));
    return head;
  }

  /** @param {Element} g @param {{from: number, to: number}} sight */
  _drawAxis(g, sight) {
    const map = this.map;
    let taken = -Infinity;
    const besides = (/** @type {number} */ below) => below > -10 && below < 24; // where a phase's name stands
    const tick = (/** @type {number} */ time, /** @type {number} */ digits) => {
      const y = yOf(map, time);
      if (y < taken + 22 || y < sight.from || y > Math.min(sight.to, map.height - 6) || this.phases.some((phase) => besides(yOf(map, phase.time) - y))) return;
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
    const first = Math.max(Math.ceil(timeAt(map, Math.max(sight.from, 0)) / step), 0);
    for (let i = first; i * step <= timeAt(map, sight.to) + step; i++) tick(i * step, digits);
  }

  /** @param {Element} g @param {Places} places */
  _drawPhases(g, places) {
    let taken = -Infinity;
    for (const phase of this.phases) {
      const y = yOf(this.map, phase.time);
      const name = Math.max(y < 16 ? y + 13 : y - 4, taken + 12);
      taken = name;
      g.append(svg("line", { class: "phase", x1: 0, x2: places.width, y1: y, y2: y }));
      g.append(svg("text", { class: "phase", x: 8, y: name }, phase.name));
    }
  }

  /** @param {Element} g @param {Places} places @param {number} top */
  _drawBands(g, places, top) {
    const map = this.map;
    for (const band of this.bands.all) {
      const from = yOf(map, Math.max(band.start, this.times[0]));
      const to = Math.max(yOf(map, Math.min(band.heal ?? this.end, this.end)), from + 2);
      const x = AXIS + band.lane * LANE;
      const colour = `f${band.fault % 6}`;
      g.append(svg("rect", { class: `band ${colour}`, x, y: from, width: places.ladder.s - x + STRIP + 12, height: to - from }));
      g.append(svg("rect", { class: `bar ${colour}`, x, y: from, width: 3, height: to - from }));
      const name = this.faults[band.fault];
      this._upright(g, `lane ${colour}`, x + 6, { from: Math.max(from, top), to: Math.min(to, top + this.room) }, name);
    }
  }

  /** A word from top to bottom, where there is room for it. @param {Element} g @param {string} kind @param {number} x @param {{from: number, to: number}} seen @param {string} text */
  _upright(g, kind, x, seen, text) {
    if (seen.to - seen.from <= text.length * 6.7 + 10) return;
    g.append(svg("text", { class: kind, transform: `translate(${x} ${seen.from + 6}) rotate(90)` }, text));
  }

  /** @param {Element} g @param {Places} places @param {number} top */
  _drawLifelines(g, places, top) {
    const map = this.map;
    const from = yOf(map, this.start);
    const to = yOf(map, this.track.closed ?? this.end);
    for (const x of Object.values(places.ladder)) {
      g.append(svg("line", { class: "ghost", x1: x, x2: x, y1: 0, y2: map.height }));
      g.append(svg("line", { class: "life", x1: x, x2: x, y1: from, y2: to }));
    }
    this._drawSide(g, "client", places.ladder.c - STRIP - 5, places.ladder.c + 2, top);
    this._drawSide(g, "server", places.ladder.s + 5, places.ladder.s - 6, top);
  }

  /** One end's states, and when it could not send because the window was closed. @param {Element} g @param {string} side @param {number} strip @param {number} inner @param {number} top */
  _drawSide(g, side, strip, inner, top) {
    const map = this.map;
    for (const { from, to, state } of stretches(this.raw[`${side}.tcp_state`], this.end)) {
      const y = yOf(map, from);
      const height = Math.max(yOf(map, to) - y, 2);
      g.append(svg("rect", { class: `state ${state}`, x: strip, y, width: STRIP, height }));
      this._upright(g, "state", strip + 5, { from: Math.max(y, top), to: Math.min(y + height, top + this.room) }, state);
    }
    for (const { from, to, state } of stretches(this.raw[`${side}.zero_window`], this.end))
      if (Number(state)) g.append(svg("rect", { class: "shut", x: inner, y: yOf(map, from), width: 4, height: Math.max(yOf(map, to) - yOf(map, from), 2) }));
  }

  /** @param {Element} g @param {Places} places @param {{from: number, to: number}} sight */
  _drawFlags(g, places, sight) {
    /** @type {number[]} */
    const taken = [];
    for (const flag of this.flags) {
      const y = yOf(this.map, flag.time);
      const place = taken.filter((other) => Math.abs(other - y) < 13).length;
      taken.push(y);
      if (y < sight.from || y > sight.to || place > 3) continue;
      const sign = { passed: "✓", failed: "✗" }[/** @type {"passed"} */ (flag.judged)] ?? "?";
      g.append(svg("text", { class: `flag ${flag.judged}`, x: places.flags + place * 14, y: y + 4 }, sign));
      if (!place) g.append(svg("line", { class: `flag ${flag.judged}`, x1: flag.judged === "failed" ? places.ladder.c : places.ladder.s, x2: places.flags - 4, y1: y, y2: y }));
    }
  }

  /** @param {Element} g @param {Places} places */
  _drawCurves(g, places) {
    const map = this.map;
    let left = places.curves;
    for (const column of this.curves.columns) {
      g.append(svg("line", { class: "ghost", x1: left, x2: left, y1: 0, y2: map.height }));
      for (const side of /** @type {const} */ (["client", "server"])) {
        const curve = column[side];
        const at = (/** @type {number} */ value) => left + (value / column.most) * (COLUMN - 16);
        if (curve && curve[0].length) g.append(svg("path", { class: `curve ${side}`, d: steps(curve, map, this.end, at) }));
      }
      left += COLUMN;
    }
  }
}
