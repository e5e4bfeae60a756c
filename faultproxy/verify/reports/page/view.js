"use strict";
/* How a person moves about in the picture of one connection: zoom, keys, and what is told of the moment under the pointer. */

/** How much one step zooms. */
const ZOOM = 1.5;

class View extends Picture {
  /**
   * @param {any} result
   * @param {any} track
   */
  constructor(result, track) {
    super(result, track);
    const keys = "+ and − zoom, 0 shows all, n and p go from mark to mark";
    this.scroll.setAttribute("aria-label", `Diagram. ${keys}`);
    this.readout = h("div", { class: "readout", hidden: "", role: "status" });
    const frame = h("div", { class: "frame" }, this.scroll, this.readout);
    this.element = h("div", { class: "view" }, this._tools(), frame, h("p", { class: "muted" }, `${keys}; Ctrl and the wheel zoom too`));
    this._listen();
  }

  _tools() {
    const closer = h("button", { type: "button", "aria-label": "zoom in" }, "+");
    const wider = h("button", { type: "button", "aria-label": "zoom out" }, "−");
    const fit = h("button", { type: "button" }, "Fit");
    const shorten = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" }));
    closer.addEventListener("click", () => this.zoom(ZOOM));
    wider.addEventListener("click", () => this.zoom(1 / ZOOM));
    fit.addEventListener("click", () => this.fitAll());
    shorten.addEventListener("change", () => {
      this.shorten = shorten.checked;
      this.fitAll();
    });
    const flat = this.curves.flat.length ? h("span", { class: "muted" }, `always 0: ${this.curves.flat.map(words).join(", ")}`) : "";
    return h("div", { class: "tools" }, closer, wider, fit, h("label", {}, shorten, " shorten idle time"), flat);
  }

  _listen() {
    this.scroll.addEventListener("scroll", () => this.draw());
    this.scroll.addEventListener("keydown", (event) => this._key(event));
    this.scroll.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
    this.scroll.addEventListener("mousemove", (event) => this._point(event));
    this.scroll.addEventListener("mouseleave", () => this.pointAt(null));
    new ResizeObserver(() => this.resize()).observe(this.scroll);
  }

  resize() {
    if (!this.scroll.clientHeight) return;
    if (this.scale) this.draw();
    else this.fitAll();
  }

  fitAll() {
    this._scaleTo(fittingScale(this.times, this.room, this.shorten));
  }

  /** @param {number} factor @param {number} [at] pixels below the heading that stay where they are */
  zoom(factor, at) {
    if (!this.scale) return;
    const anchor = at ?? (this.cursor === null ? this.room / 2 : yOf(this.map, this.cursor) - this.scroll.scrollTop);
    const time = timeAt(this.map, this.scroll.scrollTop + anchor);
    const widest = fittingScale(this.times, this.room, this.shorten);
    const closest = TALLEST / (this.times[this.times.length - 1] - this.times[0]);
    this._scaleTo(Math.min(Math.max(this.scale * factor, widest), closest));
    this.scroll.scrollTop = yOf(this.map, time) - anchor;
  }

  /** @param {number} scale */
  _scaleTo(scale) {
    this.scale = scale;
    this.map = timeMap(this.times, scale, this.shorten);
    this.arrows = arrows(this.marks, this.map);
    this.spacer.style.height = `${Math.max(this.map.height - this.room, 0)}px`;
    this.draw();
  }

  /** Shows the moment in the middle, and its values. @param {number} time */
  goTo(time) {
    if (!this.scale) return;
    this.scroll.scrollTop = yOf(this.map, time) - this.room / 2;
    this.pointAt(time);
  }

  // -------------------------------------------------------------- events

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") this.zoom(ZOOM);
    else if (event.key === "-") this.zoom(1 / ZOOM);
    else if (event.key === "0") this.fitAll();
    else if (event.key === "n" || event.key === "p") this._step(event.key === "n");
    else return;
    event.preventDefault();
  }

  /** @param {boolean} forward */
  _step(forward) {
    const now = this.cursor ?? this.start - 1;
    const times = this.arrows.map((arrow) => arrow.marks[0].time);
    const next = forward ? times.find((time) => time > now + 1e-9) : times.reverse().find((time) => time < now - 1e-9);
    if (next !== undefined) this.goTo(next);
  }

  /** @param {WheelEvent} event */
  _wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientY - this.scroll.getBoundingClientRect().top - HEAD);
  }

  /** @param {MouseEvent} event */
  _point(event) {
    if (!this.scale) return;
    const box = this.scroll.getBoundingClientRect();
    const y = event.clientY - box.top - HEAD;
    this.pointAt(y < 0 ? null : timeAt(this.map, y + this.scroll.scrollTop), event.clientX - box.left);
  }

  /** @param {number | null} time @param {number} [x] */
  pointAt(time, x) {
    this.cursor = time;
    this.draw();
    this.readout.hidden = time === null;
    if (time === null || !this.scale) return;
    const y = yOf(this.map, time) - this.scroll.scrollTop + HEAD;
    this.readout.replaceChildren(...this._values(time));
    const width = this.scroll.clientWidth;
    const left = x === undefined ? AXIS + 40 : x > width / 2 ? x - this.readout.offsetWidth - 18 : x + 18;
    const top = y + 14 + this.readout.offsetHeight > HEAD + this.room ? y - this.readout.offsetHeight - 12 : y + 14;
    this.readout.style.left = `${Math.max(left, 4)}px`;
    this.readout.style.top = `${Math.max(top, 4)}px`;
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
    return [h("b", {}, seconds(time, 4)), ...(lines.length ? [h("ul", {}, ...lines)] : []), ...table];
  }
}
