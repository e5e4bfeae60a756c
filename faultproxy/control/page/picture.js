"use strict";
/* The ladder in motion: time runs downwards, now is at the bottom. The picture is made anew a few times a second and moved in between. */

/** Pixels of the heading, below now, of the axis of time, of a fault's lane. */
const HEAD = 30;
const FOOT = 34;
const AXIS = 58;
const LANE = 16;
/** Milliseconds between two pictures, and between two moves of one. */
const MAKE = 125;
const MOVE = 33;
/** Seconds by which what is drawn begins earlier than what is seen, in whole steps: arrows then keep their places. */
const STEP = 10;

class Picture {
  constructor() {
    /** @type {Track | null} */
    this.track = null;
    this.scale = 70;
    /** @type {number | null} the time at the bottom while it stands still */
    this.held = null;
    this._offset = 0;
    this._known = false;
    this._made = { at: 0, version: -1, height: 0, width: 0 };
    this._moved = 0;
    /** The time at the top of the picture, which is above what is seen. */
    this._start = 0;
    /** @type {Element | null} all that moves */
    this._time = null;
    /** @type {() => void} */
    this.onHold = () => {};
    this.canvas = svg("svg", { role: "img", "aria-label": "ladder of the chosen connection: client, proxy, server; time runs downwards" });
    this.element = h("div", { class: "ladder", tabindex: "0", role: "group", "aria-label": "Ladder. Space pauses; arrow keys move in time" }, this.canvas);
    this.element.addEventListener("wheel", (event) => this._scrolled(event), { passive: false });
    this.element.addEventListener("keydown", (event) => this._pressed(event));
    new ResizeObserver(() => this.redraw()).observe(this.element);
    requestAnimationFrame((at) => this._frame(at));
  }

  /** @param {Track | null} track */
  show(track) {
    this.track = track;
    this.held = null;
    this._known = false;
    this.redraw();
    this.onHold();
  }

  /** The run's clock was at `time` just now. @param {number} time */
  clock(time) {
    const offset = time - performance.now() / 1000;
    const off = offset - this._offset;
    this._offset += this._known && Math.abs(off) < 0.3 ? off * 0.2 : off;
    this._known = true;
  }

  /** Seconds on the run's clock. */
  get now() {
    return performance.now() / 1000 + this._offset;
  }

  /** The time at the bottom. */
  get end() {
    return this.held ?? this.track?.closed ?? this.now;
  }

  /** Stands still, or goes on. @param {boolean} held */
  hold(held) {
    this.held = held ? this.end : null;
    this.redraw();
    this.onHold();
  }

  /** Draws it anew, because something else than time has changed. */
  redraw() {
    this._made.version = -1;
  }

  /** @param {number} pixels */
  _shift(pixels) {
    if (!this.track) return;
    const first = (this.track.opened ?? this.track.marks[0]?.time ?? 0) + 1;
    const last = this.track.closed ?? this.now;
    const end = this.end + pixels / this.scale;
    this.held = end >= last ? null : Math.max(end, Math.min(first, last));
    this.redraw();
    this.onHold();
  }

  /** @param {WheelEvent} event */
  _scrolled(event) {
    if (event.ctrlKey || (event.deltaY > 0 && this.held === null)) return;
    event.preventDefault();
    this._shift(event.deltaY);
  }

  /** @param {KeyboardEvent} event */
  _pressed(event) {
    const page = this.element.clientHeight * 0.8;
    const by = { ArrowUp: -40, ArrowDown: 40, PageUp: -page, PageDown: page, Home: -1e9, End: 1e9 }[/** @type {"Home"} */ (event.key)];
    if (by) this._shift(by);
    else if (event.key === " ") this.hold(this.held === null);
    else return;
    event.preventDefault();
  }

  // ---------------------------------------------------------------- drawing

  /** @param {number} at */
  _frame(at) {
    requestAnimationFrame((next) => this._frame(next));
    if (!this.track || at - this._moved < MOVE - 4) return;
    this._moved = at;
    const still = this.held !== null || this.track.closed !== null;
    const stale = this._made.version !== this.track.version || (!still && at - this._made.at > 4 * MAKE);
    if (stale && (at - this._made.at > MAKE || this._made.version < 0)) this._make(at);
    this._time?.setAttribute("transform", `translate(0 ${(this._made.height - FOOT - (this.end - this._start) * this.scale).toFixed(1)})`);
  }

  /** @param {number} at */
  _make(at) {
    const track = /** @type {Track} */ (this.track);
    const [width, height] = [this.element.clientWidth, this.element.clientHeight];
    this._made = { at, version: track.version, height, width };
    const from = this.end - (height - HEAD - FOOT) / this.scale;
    this._start = Math.floor(from / STEP - 1) * STEP;
    const map = { ts: [this._start, this._start + 1e5], ys: [0, 1e5 * this.scale], height: 0, idle: [] };
    const sight = { from: yOf(map, from) - 3 * ROW, to: yOf(map, this.end) + FOOT };
    const lanes = [...new Set(track.bands.map((band) => band.name))].slice(-6);
    const places = this._places(width, lanes.length);
    const time = svg("g", {});
    this._drawAxis(time, map, sight);
    this._drawBands(time, map, sight, lanes, places);
    this._drawLives(time, map, sight, places);
    const last = this.end + 0.5;
    const marks = track.marks.filter((mark) => mark.time >= this._start && mark.time <= last);
    const names = this.names;
    for (const arrow of arrows(marks, map)) {
      if (arrow.at < sight.from || arrow.at > sight.to) continue;
      const g = svg("g", {});
      g.append(svg("title", {}, arrow.marks.slice(0, 6).map((mark) => sentence(mark, names)).join("\n")));
      drawArrow(g, arrow, places, names);
      time.append(g);
    }
    this._time = time;
    this.canvas.setAttribute("width", String(width));
    this.canvas.setAttribute("height", String(height));
    this.canvas.replaceChildren(time, this._heading(places, width));
    this.element.dataset.marks = String(marks.length);
  }

  /** Names of faults by their numbers. @returns {string[]} */
  get names() {
    /** @type {string[]} */
    const names = [];
    for (const band of this.track?.bands ?? []) names[band.fault] = band.name;
    for (const mark of this.track?.marks ?? []) if (mark.fault >= 0) names[mark.fault] ??= this.nameOf(mark.fault);
    return names;
  }

  /** The name of a fault. @type {(number: number) => string} */
  nameOf = () => "fault";

  /** @param {number} width @param {number} lanes */
  _places(width, lanes) {
    const left = AXIS + LANE * lanes + 14;
    const apart = Math.max((width - left - 22) / 2, 90);
    return { apart, ladder: { c: left, p: left + apart, s: left + 2 * apart } };
  }

  /** @param {any} places @param {number} width */
  _heading(places, width) {
    const g = svg("g", {});
    g.append(svg("rect", { class: "head", x: 0, y: 0, width, height: HEAD }), svg("line", { class: "rule", x1: 0, x2: width, y1: HEAD, y2: HEAD }));
    g.append(svg("text", { class: "column", x: 8, y: 19 }, "time"));
    for (const [letter, name] of [["c", "client"], ["p", "proxy"], ["s", "server"]])
      g.append(svg("text", { class: "name", x: places.ladder[letter], y: 19, "text-anchor": letter === "p" ? "middle" : letter === "c" ? "start" : "end" }, name));
    return g;
  }

  /** @param {Element} g @param {TimeMap} map @param {{from: number, to: number}} sight */
  _drawAxis(g, map, sight) {
    const step = niceStep(44 / this.scale);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    for (let i = Math.max(Math.ceil(timeAt(map, sight.from) / step), 0); i * step <= this.end + step; i++) {
      const y = yOf(map, i * step);
      g.append(svg("text", { class: "tick", x: 8, y: y + 4 }, seconds(i * step, digits)), svg("line", { class: "rule", x1: AXIS - 10, x2: AXIS - 3, y1: y, y2: y }));
    }
  }

  /** @param {Element} g @param {TimeMap} map @param {{from: number, to: number}} sight @param {string[]} lanes @param {any} places */
  _drawBands(g, map, sight, lanes, places) {
    for (const band of this.track?.bands ?? []) {
      const from = Math.max(yOf(map, Math.max(band.start, this._start)), sight.from);
      const to = band.heal === null ? sight.to + 200 : yOf(map, Math.max(band.heal, this._start));
      const lane = lanes.indexOf(band.name);
      if (to < sight.from || from > sight.to || lane < 0) continue;
      const [x, colour, height] = [AXIS + lane * LANE, `f${band.fault % 6}`, Math.max(to - from, 2)];
      g.append(svg("rect", { class: `band ${colour}`, x, y: from, width: places.ladder.s - x, height }), svg("rect", { class: `bar ${colour}`, x, y: from, width: 3, height }));
      if (Math.min(to, sight.to) - from > band.name.length * 6.7 + 10)
        g.append(svg("text", { class: `lane ${colour}`, transform: `translate(${x + 6} ${Math.max(from, sight.from + 3 * ROW) + 6}) rotate(90)` }, band.name));
    }
  }

  /** @param {Element} g @param {TimeMap} map @param {{from: number, to: number}} sight @param {any} places */
  _drawLives(g, map, sight, places) {
    const track = /** @type {Track} */ (this.track);
    const from = Math.max(yOf(map, Math.max(track.opened ?? this._start, this._start)), sight.from);
    const to = track.closed === null ? sight.to + 200 : yOf(map, Math.max(track.closed, this._start));
    for (const x of Object.values(places.ladder)) g.append(svg("line", { class: "life", x1: x, x2: x, y1: from, y2: Math.max(to, from) }));
    if (track.closed !== null) g.append(svg("text", { class: "muted", x: places.ladder.p, y: to + 16, "text-anchor": "middle" }, "closed"));
  }
}
