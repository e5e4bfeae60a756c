"use strict";
/* The journal: the newest entries, as many as can be read. However many come, they are drawn a few times a second. */

/** Entries kept, lines shown, milliseconds between two drawings. */
const KEPT = 2000;
const LINES = 150;
const CALM = 200;

class JournalList {
  /** @param {HTMLElement} list @param {HTMLElement} count @param {(entry: any) => void} choose */
  constructor(list, count, choose) {
    this._list = list;
    this._count = count;
    this._choose = choose;
    /** @type {any[]} */
    this._entries = [];
    this._seen = 0;
    this._stale = true;
    this._drawn = 0;
    this.filter = "";
    /** @type {{proxy: string, connection: number} | null} */
    this.own = null;
    this.paused = false;
    this._forced = false;
    list.addEventListener("click", (event) => this._clicked(event));
    requestAnimationFrame((at) => this._frame(at));
  }

  /** @param {any} entry */
  take(entry) {
    this._entries.push(entry);
    this._seen += entry.event === "lost" ? entry.count : 1;
    if (this._entries.length > KEPT * 1.2) this._entries.splice(0, this._entries.length - KEPT);
    this._stale = true;
  }

  /** What is shown, or how, is otherwise. */
  changed() {
    this._stale = true;
    this._drawn = 0;
    this._forced = true;
  }

  /** @param {number} at */
  _frame(at) {
    requestAnimationFrame((next) => this._frame(next));
    if (!this._stale || at - this._drawn < CALM || (this.paused && !this._forced)) return;
    this._drawn = at;
    this._stale = this._forced = false;
    const wanted = this.filter.toLowerCase();
    const lines = [];
    for (let i = this._entries.length - 1; i >= 0 && lines.length < LINES; i--) {
      const entry = this._entries[i];
      if (this.own && (entry.proxy !== this.own.proxy || entry.connection !== this.own.connection)) continue;
      const text = textOf(entry);
      if (!wanted || text.toLowerCase().includes(wanted)) lines.push(this._line(entry, text));
    }
    const top = this._list.scrollTop < 4;
    this._list.replaceChildren(...lines);
    if (top) this._list.scrollTop = 0;
    say(this._count, `${this._seen.toLocaleString("en")} since this page was opened; newest first, ${lines.length} shown`);
  }

  /** @param {any} entry @param {string} text */
  _line(entry, text) {
    const acted = (entry.actions ?? []).some((/** @type {any} */ each) => each.do === "fired" || each.do === "started" || each.do === "healed");
    const line = h("li", entry.event === "lost" ? { class: "lost" } : acted ? { class: "acted" } : {}, text);
    if (entry.connection) Object.assign(line.dataset, { proxy: entry.proxy, connection: entry.connection });
    return line;
  }

  /** @param {MouseEvent} event */
  _clicked(event) {
    const line = event.target instanceof HTMLElement ? event.target.closest("li") : null;
    if (line?.dataset.proxy && /^\d+$/.test(line.dataset.connection ?? "")) this._choose({ proxy: line.dataset.proxy, connection: Number(line.dataset.connection) });
  }
}

/** @param {any} entry */
function textOf(entry) {
  if (entry.event === "lost") return `… ${entry.count} entries were not taken in time`;
  entry.text ??= `${entry.time.toFixed(4).padStart(9)}  ${entry.proxy}${entry.connection ? ` #${entry.connection}` : ""}  ${told(entry)}`;
  return entry.text;
}
