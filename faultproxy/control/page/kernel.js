"use strict";
/* What the kernel says of both our sockets: TCP_INFO, with small curves. */

/** @param {number} value microseconds */
const ms = (value) => `${(value / 1000).toFixed(value < 10000 ? 2 : 0)} ms`;
/** @type {{key: string, label: string, about: string, shown: (value: number) => string, bad?: (value: number) => boolean}[]} */
const ROWS = [
  { key: "snd_cwnd", label: "cwnd", about: "congestion window, segments", shown: String },
  { key: "rtt", label: "rtt", about: "smoothed round-trip time", shown: ms },
  { key: "rto", label: "rto", about: "retransmission time-out", shown: ms },
  { key: "unacked", label: "unacked", about: "segments sent and not acknowledged", shown: String },
  { key: "retransmits", label: "retries", about: "unanswered time-outs in a row", shown: String, bad: Boolean },
  { key: "backoff", label: "backoff", about: "how often the time-out was doubled", shown: String, bad: Boolean },
  { key: "total_retrans", label: "resent", about: "segments that our kernel has sent again", shown: String, bad: Boolean },
  { key: "snd_wnd", label: "snd_wnd", about: "what the peer lets us send", shown: bytes, bad: (value) => value === 0 },
  { key: "notsent_bytes", label: "notsent", about: "bytes that wait in our kernel to be sent", shown: bytes },
  { key: "receive_queue", label: "to read", about: "bytes that wait in our kernel to be read by us", shown: bytes },
  { key: "rcv_wnd", label: "rcv_wnd", about: "what we let the peer send", shown: bytes, bad: (value) => value === 0 },
  { key: "twice", label: "got twice", about: "segments of the peer with nothing new in them: it has sent them again", shown: String, bad: Boolean },
];
const SIDES = /** @type {const} */ (["client", "server"]);

class KernelTable {
  /** @param {HTMLElement} place */
  constructor(place) {
    /** @type {Record<string, HTMLElement>} */
    this._states = {};
    /** @type {Record<string, {cell: HTMLElement, spark: Spark}>} */
    this._cells = {};
    /** @type {Record<string, any>} */
    this._before = {};
    const head = h("tr", {}, h("td", {}), ...SIDES.map((side) => h("th", { scope: "col", class: side }, `${side}'s leg`)));
    const state = h("tr", {}, h("th", { scope: "row" }, "state"), ...SIDES.map((side) => (this._states[side] = h("td", { class: "value" }, "–"))));
    const rows = ROWS.map((row) => h("tr", { title: row.about }, h("th", { scope: "row" }, row.label), ...SIDES.map((side) => this._cell(row.key, side))));
    place.replaceChildren(h("table", { class: "kernel" }, h("caption", {}, "TCP_INFO of the proxy's sockets"), h("thead", {}, head), h("tbody", {}, state, ...rows)));
  }

  /** @param {string} key @param {string} side */
  _cell(key, side) {
    const [cell, spark] = [h("span", { class: "value" }), new Spark(new Meter(), side, 58, 16)];
    this._cells[`${side}.${key}`] = { cell, spark };
    return h("td", {}, h("div", {}, cell, spark.element));
  }

  /** Forgets the connection before. */
  clear() {
    this._before = {};
    for (const { cell, spark } of Object.values(this._cells)) {
      spark.meter.values.length = 0;
      spark.draw();
      say(cell, "");
    }
  }

  /** @param {Record<string, any>} legs */
  update(legs) {
    for (const side of SIDES) {
      const leg = legs[side];
      say(this._states[side], leg ? String(leg.state).replace("ESTABLISHED", "ESTAB") : "closed");
      this._states[side].title = leg?.state ?? "";
      if (!leg) continue;
      const values = { ...leg, twice: this._twice(side, leg) };
      for (const row of ROWS) {
        const { cell, spark } = this._cells[`${side}.${row.key}`];
        const value = Number(values[row.key] ?? 0);
        say(cell, row.shown(value));
        cell.classList.toggle("bad", Boolean(row.bad?.(value)));
        spark.meter.add(value);
        spark.draw();
      }
    }
  }

  /** @param {string} side @param {any} leg */
  _twice(side, leg) {
    const before = this._before[side] ?? { ...leg, twice: 0 };
    const fresh = leg.bytes_received === before.bytes_received ? leg.data_segs_in - before.data_segs_in - (leg.rcv_ooopack - before.rcv_ooopack) : 0;
    const twice = before.twice + Math.max(fresh, 0);
    this._before[side] = { ...leg, twice };
    return twice;
  }
}
