"use strict";
/* The journal: the newest entries, as many as can be read. However many come, they are drawn a few times a second. */

/** Entries kept, lines shown, milliseconds between two drawings. */
const KEPT = 2000;
const LINES = 150;
const CALM = 200;
/** Milliseconds by which the stream may be later than what was asked for. */
const LATE = 5000;

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
    /** What was recalled, until when the same may still come by the stream. */
    this._told = { keys: /** @type {Set<string>} */ (new Set()), until: 0 };
    list.addEventListener("click", (event) => this._clicked(event));
    requestAnimationFrame((at) => this._frame(at));
  }

  /** Forgets everything: something was missed. */
  clear() {
    this._entries.length = 0;
    this.changed();
  }

  /** What has happened before: the oldest, but for what the stream has told meanwhile. @param {any[]} entries of one proxy, in order */
  recall(entries) {
    const heard = new Set(this._entries.map(keyOf));
    const keys = entries.map(keyOf);
    this._entries.unshift(...entries.filter((_, i) => !heard.has(keys[i])));
    this._told = { keys: new Set(keys), until: performance.now() + LATE };
    this.changed();
  }

  /** @param {any} entry */
  take(entry) {
    if (performance.now() < this._told.until && this._told.keys.delete(keyOf(entry))) return;
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
    const line = h("li", entry.event === "lost" || entry.event === "dropped" ? { class: "lost" } : acted ? { class: "acted" } : {}, text);
    if (entry.connection) Object.assign(line.dataset, { proxy: entry.proxy, connection: entry.connection });
    return line;
  }

  /** @param {MouseEvent} event */
  _clicked(event) {
    const line = event.target instanceof HTMLElement ? event.target.closest("li") : null;
    if (line?.dataset.proxy && /^\d+$/.test(line.dataset.connection ?? "")) this._choose({ proxy: line.dataset.proxy, connection: Number(line.dataset.connection) });
  }
}

/** The same for the same entry, however it came. @param {any} entry */
const keyOf = (entry) => JSON.stringify({ ...entry, text: undefined });

/** @param {any} entry */
function textOf(entry) {
  if (entry.event === "dropped") return `… this page took nothing for a while, and is told again from now on`;
  if (entry.event === "lost") return `… ${entry.count} entries were not taken in time`;
  entry.text ??= `${entry.time.toFixed(4).padStart(9)}  ${entry.proxy}${entry.connection ? ` #${entry.connection}` : ""}  ${told(entry)}`;
  return entry.text;
}
