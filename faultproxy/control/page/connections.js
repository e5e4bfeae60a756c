"use strict";
/* The connections of the chosen proxy: a grid with one stop for the Tab key; arrows move, Enter chooses, Delete kills. */

/** @typedef {{key: string, label: string, of: (row: any) => any, shown?: (row: any) => string, number?: boolean}} Column */
/** @type {Column[]} */
const COLUMNS = [
  { key: "ordinal", label: "#", of: (row) => row.ordinal, number: true },
  { key: "peer", label: "client", of: (row) => row.peer },
  { key: "state", label: "state", of: (row) => row.state },
  { key: "age", label: "age", of: (row) => row.age, shown: (row) => ageOf(row.age), number: true },
  { key: "c2s", label: "to server", of: (row) => row.c2s, shown: (row) => bytes(row.c2s), number: true },
  { key: "s2c", label: "to client", of: (row) => row.s2c, shown: (row) => bytes(row.s2c), number: true },
  { key: "held", label: "held", of: (row) => row.held, shown: (row) => (row.held ? bytes(row.held) : ""), number: true },
  { key: "active", label: "faults", of: (row) => row.active.join(", ") },
];

class ConnectionTable {
  /** @param {HTMLElement} place @param {(ordinal: number) => void} choose @param {(ordinal: number) => void} kill */
  constructor(place, choose, kill) {
    this._choose = choose;
    this._kill = kill;
    this._sort = { key: "ordinal", down: true };
    this.filter = "";
    /** @type {any[]} */
    this._rows = [];
    /** @type {Map<number, {row: HTMLElement, cells: HTMLElement[]}>} */
    this._drawn = new Map();
    /** @type {number | null} */
    this.chosen = null;
    /** @type {number | null} the row that the Tab key leads to */
    this._here = null;
    this._heads = COLUMNS.map((column) => h("th", { scope: "col", ...(column.number ? { class: "number" } : {}) }, button(column.label, () => this._order(column.key))));
    this._body = h("tbody", {});
    const table = h("table", { class: "grid", role: "grid", "aria-labelledby": "connections-title" }, h("thead", {}, h("tr", {}, ...this._heads, h("th", { scope: "col" }, h("span", { class: "unseen" }, "end it")))), this._body);
    this._empty = h("p", { class: "muted", hidden: "" });
    place.append(table, this._empty);
    this._body.addEventListener("keydown", (event) => this._pressed(event));
    this._body.addEventListener("click", (event) => this._clicked(event));
    this._order("ordinal", true);
  }

  /** @param {any[]} rows @param {string} nothing what to say if there are none */
  update(rows, nothing) {
    this._rows = rows;
    this._nothing = nothing;
    this.draw();
  }

  /** Shows what passes the filter, in order; returns how many that are. */
  draw() {
    const wanted = this.filter.toLowerCase();
    const column = /** @type {Column} */ (COLUMNS.find((each) => each.key === this._sort.key));
    const rows = this._rows.filter((row) => !wanted || COLUMNS.some((each) => String(each.of(row)).toLowerCase().includes(wanted)));
    const sign = this._sort.down ? -1 : 1;
    rows.sort((one, other) => sign * (column.number ? column.of(one) - column.of(other) : String(column.of(one)).localeCompare(String(column.of(other)))) || other.ordinal - one.ordinal);
    const kept = new Set(rows.map((row) => row.ordinal));
    const focused = this._body.contains(document.activeElement);
    if (this._here === null || !kept.has(this._here)) this._here = this.chosen !== null && kept.has(this.chosen) ? this.chosen : (rows[0]?.ordinal ?? null);
    for (const [ordinal, drawn] of this._drawn) {
      if (kept.has(ordinal)) continue;
      drawn.row.remove();
      this._drawn.delete(ordinal);
    }
    rows.forEach((row, place) => this._put(row, place));
    if (focused && !this._body.contains(document.activeElement)) this._drawn.get(this._here ?? -1)?.row.focus();
    this._empty.hidden = rows.length > 0;
    say(this._empty, this._rows.length ? "none that passes the filter" : (this._nothing ?? ""));
    return rows.length;
  }

  /** @param {any} row @param {number} place */
  _put(row, place) {
    let drawn = this._drawn.get(row.ordinal);
    if (!drawn) {
      const cells = COLUMNS.map((column) => h("td", column.number ? { class: "number", role: "gridcell" } : { role: "gridcell" }));
      const kill = h("button", { type: "button", tabindex: "-1", class: "away", "aria-label": `Kill connection ${row.ordinal}`, title: "Kill it (Delete): a RST to both ends" }, "×");
      drawn = { row: h("tr", { "data-ordinal": String(row.ordinal) }, ...cells, h("td", { role: "gridcell" }, kill)), cells };
      this._drawn.set(row.ordinal, drawn);
    }
    COLUMNS.forEach((column, i) => say(/** @type {any} */ (drawn).cells[i], column.shown ? column.shown(row) : String(column.of(row))));
    drawn.row.classList.toggle("acting", row.active.length > 0);
    drawn.row.setAttribute("aria-selected", String(row.ordinal === this.chosen));
    drawn.row.tabIndex = row.ordinal === this._here ? 0 : -1;
    if (this._body.children[place] !== drawn.row) this._body.insertBefore(drawn.row, this._body.children[place] ?? null);
  }

  /** @param {string} key @param {boolean} [down] */
  _order(key, down) {
    this._sort = { key, down: down ?? (this._sort.key === key ? !this._sort.down : key !== "peer" && key !== "state") };
    COLUMNS.forEach((column, i) => this._heads[i].setAttribute("aria-sort", column.key !== key ? "none" : this._sort.down ? "descending" : "ascending"));
    this.draw();
  }

  /** @param {EventTarget | null} target */
  _ordinalOf(target) {
    const row = target instanceof Element ? target.closest("tr") : null;
    return row ? Number(row.dataset.ordinal) : null;
  }

  /** @param {MouseEvent} event */
  _clicked(event) {
    const ordinal = this._ordinalOf(event.target);
    if (ordinal === null) return;
    if (event.target instanceof Element && event.target.closest("button")) this._kill(ordinal);
    else this._go(ordinal, true);
  }

  /** @param {KeyboardEvent} event */
  _pressed(event) {
    const ordinal = this._ordinalOf(event.target);
    if (ordinal === null) return;
    const rows = /** @type {HTMLElement[]} */ ([...this._body.children]);
    const at = rows.findIndex((row) => Number(row.dataset.ordinal) === ordinal);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + 10, PageUp: at - 10 }[/** @type {"Home"} */ (event.key)];
    if (to !== undefined) this._go(Number(rows[Math.min(Math.max(to, 0), rows.length - 1)].dataset.ordinal), false);
    else if (event.key === "Enter" || event.key === " ") this._go(ordinal, true);
    else if (event.key === "Delete") this._kill(ordinal);
    else return;
    event.preventDefault();
  }

  /** @param {number} ordinal @param {boolean} choose */
  _go(ordinal, choose) {
    this._here = ordinal;
    if (choose) this._choose(ordinal);
    this.draw();
    this._drawn.get(ordinal)?.row.focus();
  }
}
