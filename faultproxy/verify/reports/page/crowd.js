"use strict";
/* The connections of one scenario: a list with a filter and an order, and beside it the diagram of one of them. */

/** Up to so many connections stand in a row above the diagram, and it has all the width. */
const FEW = 5;
const ORDERS = {
  "trouble first": (/** @type {any} */ one, /** @type {any} */ other) => badness(other.trouble) - badness(one.trouble),
  "as opened": (/** @type {any} */ one, /** @type {any} */ other) => one.track.opened - other.track.opened,
  "longest first": (/** @type {any} */ one, /** @type {any} */ other) => lasted(other.track) - lasted(one.track),
  "most bytes first": (/** @type {any} */ one, /** @type {any} */ other) => other.trouble.bytes - one.trouble.bytes,
};

/** @param {any} track */
const lasted = (track) => (track.closed ?? Infinity) - track.opened;

class Crowd {
  /**
   * @param {any} result
   * @param {(label: string) => void} onShow
   */
  constructor(result, onShow) {
    const known = troubles(result);
    this.result = result;
    this.onShow = onShow;
    this.all = result.tracks.map((/** @type {any} */ track) => ({ track, trouble: /** @type {Trouble} */ (known.get(track.label)) }));
    this.ends = Math.max(result.phases.end ?? 0, ...result.tracks.map((/** @type {any} */ track) => track.closed ?? 0), 1e-3);
    this.shown = "";
    /** @type {Map<string, HTMLElement>} */
    this.options = new Map();
    const few = this.all.length <= FEW;
    this.search = /** @type {HTMLInputElement} */ (h("input", { type: "search", placeholder: "Filter: name, failed, reset …", "aria-label": "Filter connections" }));
    this.order = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": "Order of connections" }, ...Object.keys(ORDERS).map((name) => h("option", {}, name))));
    this.list = h("ul", { class: "tracks", role: "listbox", "aria-label": "Connections" });
    this.count = h("p", { class: "muted", role: "status" });
    this.stage = h("div", { class: "stage" });
    const picker = h("div", { class: "picker" }, ...(few ? [this.list] : [this.search, this.order, this.count, this.list]));
    this.element = h("div", { class: `connections ${few ? "few" : "many"}` }, picker, this.stage);
    this.search.addEventListener("input", () => this.fill());
    this.order.addEventListener("change", () => this.fill());
    this.list.addEventListener("keydown", (event) => this._key(event));
    this.list.addEventListener("click", (event) => {
      const option = /** @type {Element} */ (event.target).closest("[data-label]");
      if (option) this.open(/** @type {HTMLElement} */ (option).dataset.label ?? "");
    });
    for (const each of this.all) this.options.set(each.track.label, this._option(each));
    this.fill();
  }

  /** Puts those that are asked for into the list, in the order that is asked for. */
  fill() {
    const asked = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.all.filter((/** @type {any} */ each) => asked.every((word) => this._text(each).includes(word)));
    found.sort(ORDERS[/** @type {"as opened"} */ (this.order.value)]);
    this.labels = found.map((/** @type {any} */ each) => each.track.label);
    this.list.replaceChildren(...this.labels.map((/** @type {string} */ label) => /** @type {HTMLElement} */ (this.options.get(label))));
    const failed = found.filter((/** @type {any} */ each) => each.trouble.failed).length;
    this.count.textContent = `${found.length} of ${this.all.length}${failed ? `, ${failed} failed` : ""}`;
    this._mark();
  }

  /** @param {string} label @param {number | null} [time] */
  open(label, time) {
    const each = this.all.find((/** @type {any} */ one) => one.track.label === label);
    if (!each) return;
    this.shown = label;
    this._mark();
    this.onShow(label);
    this.stage.replaceChildren(...diagramOf(this.result, each.track, time ?? null));
  }

  /** Opens the one that is asked for, or else the first. @param {string} label */
  first(label) {
    this.open(this.options.has(label) ? label : (this.labels[0] ?? ""));
  }

  _mark() {
    for (const [label, option] of this.options) option.setAttribute("aria-selected", String(label === this.shown));
    // One of them is reached by the tabulator, the others from there by the arrows.
    const reached = this.labels.includes(this.shown) ? this.shown : this.labels[0];
    for (const [label, option] of this.options) option.tabIndex = label === reached ? 0 : -1;
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const now = this.labels.indexOf(/** @type {HTMLElement} */ (document.activeElement).dataset.label ?? "");
    const last = this.labels.length - 1;
    const places = { ArrowDown: now + 1, ArrowRight: now + 1, ArrowUp: now - 1, ArrowLeft: now - 1, Home: 0, End: last, PageDown: now + 20, PageUp: now - 20 };
    const place = places[/** @type {"Home"} */ (event.key)];
    if (place === undefined || last < 0) return;
    event.preventDefault();
    const label = this.labels[Math.min(Math.max(place, 0), last)];
    if (label !== this.shown) this.open(label);
    this.options.get(label)?.focus();
  }

  /** What the filter finds it by. @param {any} each */
  _text({ track, trouble }) {
    return `${track.label} ${track.role} ${this._about(track, trouble).join(" ")}`.toLowerCase();
  }

  /** @param {any} track @param {Trouble} trouble */
  _about(track, trouble) {
    const about = [
      trouble.failed ? "failed" : "",
      trouble.resets ? "reset" : "",
      trouble.stuck ? "zero window" : "",
      trouble.resent ? `${trouble.resent} resent` : "",
      trouble.acts ? `${trouble.acts} × fault` : "",
      track.closed === null ? "open to the end" : "",
    ].filter(Boolean);
    return about.length ? about : [track.role];
  }

  /** @param {any} each */
  _option({ track, trouble }) {
    const place = (/** @type {number} */ time) => ((time / this.ends) * 100).toFixed(2);
    const from = Math.max(track.opened, 0);
    const life = svg("svg", { class: "lived", viewBox: "0 0 100 3", preserveAspectRatio: "none", "aria-hidden": "true" });
    life.append(svg("rect", { x: place(from), y: 0, width: Math.max(Number(place((track.closed ?? this.ends) - from)), 0.7), height: 3 }));
    const kind = trouble.failed ? "failed" : trouble.acts ? "acted" : "";
    return h("li", { role: "option", "data-label": track.label, class: kind }, h("b", {}, track.label), h("span", {}, this._about(track, trouble).join(" · ")), life);
  }
}

/** @param {any} result @param {any} track @param {number | null} time */
function diagramOf(result, track, time) {
  const lived = `${track.label} (${track.role}), opened at ${seconds(track.opened)}, ${track.closed === null ? "open to the end" : `closed at ${seconds(track.closed)}`}`;
  if (!track.marks) return [h("p", {}, lived), h("p", { class: "muted" }, "Its details are left out to keep this page small; the JSON report has them.")];
  const view = new View(result, track);
  // It is drawn when it has its place on the page and so a size; only then is there a moment to go to.
  if (time !== null) requestAnimationFrame(() => requestAnimationFrame(() => view.goTo(time)));
  const list = h("pre", { tabindex: "0" });
  const details = h("details", {}, h("summary", {}, `All ${track.marks.length} marks as a list`), list);
  details.addEventListener("toggle", () => {
    list.textContent ||= view.marks.map((mark) => sentence(mark, view.faults)).join("\n");
  });
  return [h("p", { class: "muted" }, lived), view.element, details];
}
