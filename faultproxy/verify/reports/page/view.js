"use strict";
/* How a person moves about in the picture of one connection: zoom, keys, a selected moment, and what is told of the moment under the pointer. */

/** How much one step zooms. */
const ZOOM = 1.5;
/** Pixels that the pointer must be drawn along before it is no click any more. */
const DRAG = 8;
const KEYS = "Click to select a moment, draw the pointer along a stretch to zoom into it. Keys: + − zoom, 0 shows all, n p go from mark to mark, Esc lets go";
const LEGEND = [
  "An arrow without a fault's name is read off the kernels' counters, several times a second: it stands where it was seen, but before the FIN that it came before, and several may be one. Its seq is relative, as Wireshark has it.",
  "An arrow in the colour of a fault is a single segment that the fault has touched; a cross means that it went no further. A dot is something that happened inside.",
  "The strips at the outer lifelines are the states of the sockets there; red beside a lifeline is a zero window. ✓ and ✗ are where an expectation was decided.",
];

class View extends Picture {
  /**
   * @param {any} result
   * @param {any} track
   */
  constructor(result, track) {
    super(result, track);
    /** @type {number | null} */
    this.selected = null;
    /** @type {{time: number, x: number} | null} */
    this.hovered = null;
    /** @type {number | null} where the pointer was pressed, in pixels of the diagram's time */
    this.pressed = null;
    this.scroll.setAttribute("aria-label", `Diagram. ${KEYS}`);
    this.readout = h("div", { class: "readout", hidden: "", role: "status" });
    const frame = h("div", { class: "frame" }, this.scroll, this.readout);
    const legend = h("details", { class: "legend" }, h("summary", {}, "How to read this"), ...LEGEND.map((text) => h("p", {}, text)));
    this.element = h("div", { class: "view" }, this._tools(), frame, h("p", { class: "muted" }, KEYS), legend);
    this._listen();
  }

  _tools() {
    const button = (/** @type {string} */ text, /** @type {string} */ name, /** @type {() => void} */ act) => {
      const made = h("button", { type: "button", class: "tool", "aria-label": name, title: name }, text);
      made.addEventListener("click", act);
      return made;
    };
    const shorten = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" }));
    shorten.addEventListener("change", () => {
      this.shorten = shorten.checked;
      this.fitAll();
    });
    return h(
      "div",
      { class: "tools" },
      button("+", "zoom in", () => this.zoom(ZOOM)),
      button("−", "zoom out", () => this.zoom(1 / ZOOM)),
      button("Fit", "show all", () => this.fitAll()),
      h("label", {}, shorten, " shorten idle time"),
      this.curves.columns.length ? h("span", { class: "sides" }, h("span", { class: "client" }, "— client"), " ", h("span", { class: "server" }, "┄ server")) : "",
      this.curves.flat.length ? h("span", { class: "muted" }, `always 0: ${this.curves.flat.map(words).join(", ")}`) : "",
    );
  }

  _listen() {
    this.scroll.addEventListener("scroll", () => this.draw());
    this.scroll.addEventListener("keydown", (event) => this._key(event));
    this.scroll.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
    this.scroll.addEventListener("pointermove", (event) => this._move(event));
    this.scroll.addEventListener("pointerleave", () => this._leave());
    this.scroll.addEventListener("pointerdown", (event) => this._press(event));
    this.scroll.addEventListener("pointerup", (event) => this._release(event));
    new ResizeObserver(() => this.resize()).observe(this.scroll);
  }

  resize() {
    if (!this.scroll.clientHeight) return;
    if (this.scale) this.draw();
    else this.fitAll();
  }

  draw() {
    super.draw();
    if (!this.scale) return;
    this.over = svg("g", { transform: `translate(0 ${HEAD - this.scroll.scrollTop})` });
    this.canvas.insertBefore(this.over, this.canvas.lastChild); // below the heading
    this._point();
    const { scrollTop } = this.scroll;
    // What is in sight, in seconds: for whoever drives this page from outside.
    this.element.dataset.sight = [scrollTop, scrollTop + this.room].map((y) => timeAt(this.map, y).toFixed(6)).join(" ");
  }

  // ---------------------------------------------------------------- zoom

  fitAll() {
    this._scaleTo(fittingScale(this.times, this.room, this.shorten), this.times[0], 0);
  }

  /** @param {number} factor @param {number} [at] pixels below the heading that stay where they are */
  zoom(factor, at) {
    if (!this.scale) return;
    const { scrollTop } = this.scroll;
    const selected = this.selected === null ? -1 : yOf(this.map, this.selected) - scrollTop;
    const anchor = at ?? (selected >= 0 && selected <= this.room ? selected : this.room / 2);
    const time = timeAt(this.map, scrollTop + anchor);
    this._scaleTo(this._within(this.scale * factor), time, anchor);
  }

  /** @param {number} from @param {number} to seconds */
  zoomTo(from, to) {
    this._scaleTo(this._within(this.room / Math.max(to - from, 1e-6)), from, 0);
  }

  /** @param {number} scale */
  _within(scale) {
    const widest = fittingScale(this.times, this.room, this.shorten);
    const closest = TALLEST / (this.times[this.times.length - 1] - this.times[0]);
    return Math.min(Math.max(scale, widest), closest);
  }

  /** @param {number} scale @param {number} time what shall then stand `below` pixels below the heading @param {number} below */
  _scaleTo(scale, time, below) {
    this.scale = scale;
    this.map = timeMap(this.times, scale, this.shorten);
    this.arrows = arrows(this.marks, this.map);
    this.spacer.style.height = `${Math.max(this.map.height - this.room, 0)}px`;
    this.scroll.scrollTop = yOf(this.map, time) - below;
    this.draw(); // now, and not when it is told that it was scrolled: nothing in between is shown
  }

  /** Selects a moment, brings it into sight, and tells its values. @param {number} time */
  goTo(time) {
    if (!this.scale) return;
    const y = yOf(this.map, time) - this.scroll.scrollTop;
    if (y < ROW || y > this.room - ROW) this.scroll.scrollTop += y - this.room / 2;
    this.draw();
    this.select(time);
  }

  /** @param {number | null} time */
  select(time) {
    this.selected = time;
    if (time === null) delete this.element.dataset.selected;
    else this.element.dataset.selected = time.toFixed(6);
    this._point();
  }

  // -------------------------------------------------------------- events

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") this.zoom(ZOOM);
    else if (event.key === "-") this.zoom(1 / ZOOM);
    else if (event.key === "0") this.fitAll();
    else if (event.key === "n" || event.key === "p") this._step(event.key === "n");
    else if (event.key === "Escape") this.select(null);
    else return;
    event.preventDefault();
  }

  /** @param {boolean} forward */
  _step(forward) {
    const now = this.selected ?? this.start - 1;
    const times = this.arrows.map((arrow) => arrow.marks[0].time);
    const next = forward ? times.find((time) => time > now + 1e-9) : times.reverse().find((time) => time < now - 1e-9);
    this.hovered = null;
    if (next !== undefined) this.goTo(next);
  }

  /** @param {WheelEvent} event */
  _wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, this._below(event));
  }

  /** How far below the heading the pointer is, in pixels. @param {MouseEvent} event */
  _below(event) {
    return event.clientY - this.scroll.getBoundingClientRect().top - HEAD;
  }

  /** @param {MouseEvent} event */
  _move(event) {
    if (!this.scale) return;
    const y = this._below(event);
    this.hovered = y < 0 ? null : { time: timeAt(this.map, y + this.scroll.scrollTop), x: event.clientX - this.scroll.getBoundingClientRect().left };
    if (!(event.buttons & 1)) this.pressed = null;
    this._point();
  }

  _leave() {
    this.hovered = this.pressed = null;
    this._point();
  }

  /** @param {PointerEvent} event */
  _press(event) {
    const y = this._below(event);
    const onScrollbar = event.clientX - this.scroll.getBoundingClientRect().left > this.scroll.clientWidth || y > this.room;
    if (event.button !== 0 || y < 0 || onScrollbar) return;
    this.pressed = y + this.scroll.scrollTop;
    if (event.pointerType !== "touch") this.scroll.setPointerCapture(event.pointerId); // it may be let go outside
  }

  /** @param {MouseEvent} event */
  _release(event) {
    if (this.pressed === null) return;
    const ends = [this.pressed, Math.min(Math.max(this._below(event), 0), this.room) + this.scroll.scrollTop].sort((one, other) => one - other);
    this.pressed = null;
    if (ends[1] - ends[0] > DRAG) this.zoomTo(timeAt(this.map, ends[0]), timeAt(this.map, ends[1]));
    else this.select(this._nearest(ends[0]));
  }

  /** The time of the arrow at this height, else the time there. @param {number} y */
  _nearest(y) {
    const near = this.arrows.filter((arrow) => Math.abs(arrow.at - y) <= ROW / 2);
    near.sort((one, other) => Math.abs(one.at - y) - Math.abs(other.at - y));
    return near.length ? near[0].marks[0].time : timeAt(this.map, y);
  }

  // --------------------------------------------------- what is pointed at

  /** Draws what is pointed at and selected, and tells of it. */
  _point() {
    if (!this.over) return;
    const time = this.hovered?.time ?? this.selected;
    const line = (/** @type {string} */ kind, /** @type {number} */ at) => {
      const y = yOf(this.map, at);
      return svg("line", { class: kind, x1: 0, x2: this.canvas.clientWidth, y1: y, y2: y });
    };
    const parts = [];
    if (this.pressed !== null && this.hovered) {
      const y = yOf(this.map, this.hovered.time);
      parts.push(svg("rect", { class: "drag", x: 0, y: Math.min(y, this.pressed), width: this.canvas.clientWidth, height: Math.abs(y - this.pressed) }));
    }
    if (this.selected !== null) parts.push(line("selected", this.selected), ...this._selectedArrows());
    if (this.hovered) parts.push(line("cursor", this.hovered.time));
    this.over.replaceChildren(...parts);
    this.readout.hidden = time === null;
    if (time === null) return;
    this.readout.replaceChildren(...this._values(time));
    const y = yOf(this.map, time) - this.scroll.scrollTop + HEAD;
    const { offsetWidth, offsetHeight } = this.readout;
    const width = this.scroll.clientWidth;
    const x = this.hovered?.x ?? width;
    const left = x > width / 2 ? Math.min(x, width) - offsetWidth - 18 : x + 18;
    const top = y + 14 + offsetHeight > HEAD + this.room ? y - offsetHeight - 12 : y + 14;
    this.readout.style.left = `${Math.max(left, 4)}px`;
    this.readout.style.top = `${Math.max(top, 4)}px`;
  }

  /** The arrows of the selected moment may stand a little below it: each is marked. */
  _selectedArrows() {
    const { ladder } = this.places();
    const own = this.arrows.filter((arrow) => arrow.marks[0].time === this.selected);
    return own.map((arrow) => svg("rect", { class: "here", x: ladder.c, y: arrow.at - 4, width: ladder.s - ladder.c, height: 8, rx: 4 }));
  }

  /** What is told of a moment. @param {number} time */
  _values(time) {
    const y = yOf(this.map, time);
    const near = this.arrows.filter((arrow) => Math.abs(arrow.at - y) <= ROW / 2 || Math.abs(arrow.y - y) <= 2);
    const marks = near.flatMap((arrow) => arrow.marks);
    const lines = marks.slice(0, 8).map((mark) => h("li", {}, sentence(mark, this.faults)));
    if (marks.length > 8) lines.push(h("li", { class: "muted" }, `and ${marks.length - 8} more: zoom in`));
    for (const flag of this.flags) {
      if (Math.abs(yOf(this.map, flag.time) - y) > ROW / 2) continue;
      lines.push(h("li", { class: flag.judged }, `${flag.judged}: ${flag.wanted}${flag.got ? `; got ${flag.got}` : ""}`));
    }
    const names = [...new Set(Object.keys(this.raw).map((name) => name.replace(/^(client|server)\./, "")))];
    const rows = names.map((name) => {
      const cell = (/** @type {string} */ side) => {
        const value = time > this.end ? null : valueAt(this.raw[`${side}.${name}`] ?? null, time);
        return h("td", {}, value === null ? "–" : shown(name, value));
      };
      return h("tr", {}, h("th", {}, words(name)), cell("client"), cell("server"));
    });
    const table = rows.length ? [h("table", {}, h("tr", {}, h("th", {}), h("th", {}, "client"), h("th", {}, "server")), ...rows)] : [];
    return [h("b", {}, seconds(time, 4)), h("span", { class: "muted" }, ` ${this._since(time)}`), ...(lines.length ? [h("ul", {}, ...lines)] : []), ...table];
  }

  /** How long after what. @param {number} time */
  _since(time) {
    const parts = [`${signed(time - this.start)} since it opened`];
    if (this.selected !== null && this.hovered) parts.push(`${signed(time - this.selected)} from the selected moment`);
    return parts.join(", ");
  }
}
