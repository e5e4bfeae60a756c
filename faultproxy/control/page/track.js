"use strict";
/* What is known of one connection: arrows for its ladder, bands of its faults, what was sent again. Nothing here touches the page.
 *
 * The journal tells of bytes only where a fault acts; the rest is read off the counters of our two sockets. Both are put together by the
 * count of bytes that each way has been drawn for, so that none is drawn twice. */

/** Marks kept of a connection, the newest; as many more are taken before the oldest go. */
const MARKS = 3000;
const SPARE = 500;
/** Seconds for which it is known when bytes were drawn: a look at the counters is taken up later than it was made. */
const LATELY = 5;
/** Bands kept, and resends. */
const BANDS = 300;
const RESENDS = 40;
/** Seconds by which the kernel's word on when there was data last may be late: it counts in ticks of its clock. What came in several parts
 * since we looked before is told as of the last of them. */
const TICK = 0.01;

/** Who sends what is met at a tap, and who gets it. @type {Record<string, [string, string]>} */
const TAPS = {
  from_client: ["c", "p"],
  to_client: ["p", "c"],
  from_server: ["s", "p"],
  to_server: ["p", "s"],
};
/** Of a direction: where its bytes come from and where they go. @type {Record<string, [string, string]>} */
const ENDS = { c2s: ["c", "s"], s2c: ["s", "c"] };
/** @type {Record<string, string>} */
const LETTERS = { client: "c", server: "s" };

class Track {
  /** @param {string} proxy @param {number} ordinal @param {(fault: string) => number} numberOf a fault's colour */
  constructor(proxy, ordinal, numberOf) {
    this.proxy = proxy;
    this.ordinal = ordinal;
    this._numberOf = numberOf;
    /** @type {Mark[]} in order of time */
    this.marks = [];
    /** @type {{fault: number, name: string, start: number, heal: number | null}[]} */
    this.bands = [];
    /** What an end has sent again, the newest last. @type {{side: string, time: number, from: number, size: number}[]} */
    this.resends = [];
    /** @type {number | null} */
    this.opened = null;
    /** @type {number | null} */
    this.closed = null;
    /** Counts changes. */
    this.version = 0;
    /** Bytes drawn, by their way: "cp", "ps", "sp", "pc". @type {Record<string, number>} */
    this._drawn = {};
    /** Those of them that were drawn lately. @type {Record<string, {time: number, size: number}[]>} */
    this._lately = {};
    /** The highest sequence number seen, by tap. @type {Record<string, number>} */
    this._highest = {};
    /** The kernel's counters at the last look, by side. @type {Record<string, any>} */
    this._before = {};
    this._counted = false;
    /** When a fault healed last. */
    this._eased = -Infinity;
    /** When we last looked at the counters. */
    this._looked = -Infinity;
  }

  // ------------------------------------------------------------ the journal

  /** An entry of this connection. @param {any} entry */
  take(entry) {
    const { time, event, actions = [] } = entry;
    this.version++;
    switch (event) {
      case "connect":
        this.opened = time;
        this._mark(time, "c", "p", "SYN", { note: `from ${entry.address}:${entry.port}` });
        break;
      case "dial":
        this._mark(time, "p", "s", "SYN");
        break;
      case "dialled":
        this._mark(time, "s", "p", "SYN ACK", { note: `accepted by ${entry.address}` });
        break;
      case "dial_failed":
        this._mark(time, "s", "", "note", { note: `not reached: ${entry.why}` });
        break;
      case "data":
        this._arrived(time, entry);
        break;
      case "eof":
        this._mark(time, ENDS[entry.direction][0], "p", "FIN");
        break;
      case "peer_reset":
        if (entry.why === "killed") {
          // By a call of ours, to both ends. It is told once for each, and for the second when all is over.
          if (entry.side === "client") for (const to of ["c", "s"]) this._mark(time, "p", to, "RST", { note: "killed" });
          return;
        }
        if (/ECONNRESET|EPIPE/.test(entry.why)) this._mark(time, LETTERS[entry.side], "p", "RST", { note: entry.why });
        else this._mark(time, LETTERS[entry.side], "", "note", { note: `given up: ${entry.why}` });
        break;
      case "filtered":
        this._mark(time, LETTERS[entry.side], "p", "filtered", { count: entry.count, lost: true, fault: this._numberOf(entry.fault) });
        break;
      case "seen":
        this._segment(entry);
        break;
      case "close":
        this.closed = time;
        for (const band of this.bands) band.heal ??= time;
        break;
    }
    this._act(time, event, actions);
  }

  /** @param {number} time @param {string} event @param {any[]} actions */
  _act(time, event, actions) {
    const fired = actions.filter((action) => action.do === "fired" && !action.tap);
    for (const action of actions) {
      if (action.do === "started") this._started(time, action.fault);
      else if (action.do === "healed") this._healed(time, action.fault);
      else if (action.do === "send") this._passed(time, action, fired);
      else if (action.do === "send_fin") this._mark(time, "p", ENDS[action.direction][1], "FIN", this._because(fired, action.direction));
      else if (action.do === "reset_leg") this._mark(time, "p", LETTERS[action.side], "RST", this._because(fired));
      else if (action.do === "inject" && TAPS[action.tap]) this._mark(time, ...TAPS[action.tap], "made up", { note: "a segment of the fault's own", ...this._by(actions) });
    }
    for (const one of fired) if (!one.told) this._mark(time, "p", "", "note", { note: one.what, fault: this._numberOf(one.fault), size: one.size ?? 0 });
  }

  /** The fault that an action comes from, as far as can be told. @param {any[]} fired @param {string} [direction] */
  _because(fired, direction) {
    const fits = fired.filter((each) => each.do === "fired" && (!direction || !each.direction || each.direction === direction));
    const one = fits.find((each) => !each.told) ?? fits[0];
    if (!one) return {};
    one.told = true;
    return { fault: this._numberOf(one.fault), note: one.what };
  }

  /** The fault that has started, healed or acted. @param {any[]} actions */
  _by(actions) {
    const one = actions.find((each) => ["fired", "healed", "started"].includes(each.do));
    return one ? { fault: this._numberOf(one.fault) } : {};
  }

  /** Bytes were read. @param {number} time @param {any} entry */
  _arrived(time, entry) {
    const from = ENDS[entry.direction][0];
    const way = `${from}p`;
    const drawn = this._drawn[way] ?? 0;
    const more = entry.offset + entry.size - drawn;
    if (more <= 0) return;
    const before = Math.max(entry.offset - drawn, 0);
    // What came before any fault acted, the journal does not tell; it is not of this moment, so that no look has to be reminded of it.
    if (before && this._counted) this._mark(time, from, "p", "data", { size: before, seq: drawn + 1, note: "no fault has met it" });
    this._drawn[way] = drawn + before;
    this._draw(way, time, more - before);
    this._mark(time, from, "p", "data", { size: entry.size, seq: entry.offset + 1 });
  }

  /** Bytes go on. @param {number} time @param {any} action @param {any[]} fired */
  _passed(time, action, fired) {
    const to = ENDS[action.direction][1];
    this._draw(`p${to}`, time, action.size);
    this._mark(time, "p", to, "data", { size: action.size, ...this._because(fired, action.direction) });
  }

  /** A segment was met at a tap where a fault looks. @param {any} entry */
  _segment(entry) {
    const segment = segmentOf(entry.header);
    const ends = TAPS[entry.tap];
    if (!segment || !ends) return;
    const actions = entry.actions ?? [];
    const fired = actions.filter((/** @type {any} */ action) => action.do === "fired" && action.tap === entry.tap);
    const lost = actions.some((/** @type {any} */ action) => action.do === "lose" && !action.held);
    const resent = this._isAgain(entry.tap, segment, entry.size);
    const [from, to] = ends;
    if (segment.again) this._sentAgain(entry.time - 1e-4, to, segment.again);
    if (resent && from !== "p") this._note(entry.time, from, segment.seq, entry.size);
    if (entry.size && !resent && !lost) this._draw(from + to, entry.time, entry.size);
    this._mark(entry.time, from, to, kindOf(segment, entry.size, resent), { size: entry.size, lost, ...this._because(fired) });
  }

  /** Whether a segment has nothing but what was seen before. @param {string} tap @param {Segment} segment @param {number} size */
  _isAgain(tap, segment, size) {
    const end = (segment.seq + size + (segment.flags & FIN ? 1 : 0) + (segment.flags & SYN ? 1 : 0)) >>> 0;
    if (end === segment.seq) return false;
    const highest = this._highest[tap];
    if (highest !== undefined && !before(highest, end)) return true;
    this._highest[tap] = end;
    return false;
  }

  /** Our kernel reports that it has got something twice. @param {number} time @param {string} side @param {{from: number, size: number}} again */
  _sentAgain(time, side, again) {
    if (this._highest[side === "c" ? "from_client" : "from_server"] !== undefined) return; // its segments are seen themselves
    this._note(time, side, again.from, again.size);
    this._mark(time, side, "p", "retransmission", { size: again.size, note: "our kernel has got these bytes twice (D-SACK)" });
  }

  /** @param {number} time @param {string} side @param {number} from @param {number} size */
  _note(time, side, from, size) {
    this.resends.push({ side, time, from, size });
    if (this.resends.length > RESENDS) this.resends.shift();
  }

  // ----------------------------------------------------------- the counters

  /**
   * Our sockets as they stood at a time.
   * @param {number} time @param {{c2s: number, s2c: number, active: string[], legs: Record<string, any>}} state
   */
  count(time, state) {
    this.version++;
    const { client, server } = state.legs;
    const when = (/** @type {any} */ leg, /** @type {string} */ key) => Math.max(time - (leg?.[key] ?? 0) / 1000 - TICK, this._looked);
    this._grown(time, when(client, "last_data_recv"), "c", "p", state.c2s);
    if (server) this._grown(time, when(server, "last_data_sent"), "p", "s", server.bytes_sent - server.bytes_retrans);
    this._grown(time, when(server, "last_data_recv"), "s", "p", state.s2c);
    if (client) this._grown(time, when(client, "last_data_sent"), "p", "c", client.bytes_sent - client.bytes_retrans);
    this._counted = true;
    this._looked = time;
    for (const side of ["client", "server"]) if (state.legs[side]) this._compare(time, side, state.legs[side]);
    for (const name of state.active) this._started(time, name);
  }

  /** @param {number} looked @param {number} time when there was data last @param {string} from @param {string} to @param {number} total */
  _grown(looked, time, from, to, total) {
    const way = from + to;
    let more = total - (this._drawn[way] ?? 0);
    for (const each of this._lately[way] ?? []) if (each.time > looked) more += each.size;
    if (more <= 0) return;
    // What went before we looked is no news of this moment.
    if (this._counted) this._mark(time, from, to, "data", { size: more, seq: total - more + 1, note: "read off the counters" });
    this._draw(way, time, more);
  }

  /** Bytes are drawn. @param {string} way @param {number} time @param {number} size */
  _draw(way, time, size) {
    this._drawn[way] = (this._drawn[way] ?? 0) + size;
    const lately = (this._lately[way] = (this._lately[way] ?? []).filter((each) => each.time > time - LATELY));
    lately.push({ time, size });
  }

  /** @param {number} time @param {string} side @param {any} leg */
  _compare(time, side, leg) {
    const before = this._before[side];
    const letter = LETTERS[side];
    this._before[side] = leg;
    if (!before) return;
    const resent = leg.total_retrans - before.total_retrans;
    if (resent > 0 && this._highest[`to_${side}`] === undefined) this._mark(time, "p", letter, "retransmission", { count: resent, note: "by our kernel, off its counters" });
    if (!leg.snd_wnd !== !before.snd_wnd) this._mark(time, letter, "p", leg.snd_wnd ? "window open" : "zero window");
    // Segments with data that brought nothing new: the peer has sent again what we have, off the counters if no segment has told so.
    const twice = leg.data_segs_in - before.data_segs_in - (leg.rcv_ooopack - before.rcv_ooopack);
    const told = this.resends.some((each) => each.side === letter && each.time > time - 1.5);
    if (twice > 0 && leg.bytes_received === before.bytes_received && !told)
      this._mark(time, letter, "p", "retransmission", { count: twice, note: "nothing new in it, off the counters" });
  }

  // ---------------------------------------------------------------- keeping

  /** @param {number} time @param {string} fault */
  _started(time, fault) {
    if (this.bands.some((band) => band.name === fault && band.heal === null)) return;
    this.bands.push({ fault: this._numberOf(fault), name: fault, start: time, heal: null });
    if (this.bands.length > BANDS) this.bands.shift();
  }

  /** @param {number} time @param {string} fault */
  _healed(time, fault) {
    for (const band of this.bands) if (band.name === fault) band.heal ??= time;
    this._eased = time;
  }

  /** @param {number} time @param {string} from @param {string} to @param {string} what @param {Partial<Mark>} [more] */
  _mark(time, from, to, what, more = {}) {
    const mark = { time, from, to, what, size: 0, count: 1, fault: -1, lost: false, note: "", seq: 0, ...more };
    let at = this.marks.length;
    while (at && this.marks[at - 1].time > time) at--;
    this.marks.splice(at, 0, mark);
    if (this.marks.length > MARKS + SPARE) this.marks.splice(0, SPARE);
  }

  /** What an end sends again and again just now, in words; "" where nothing does. @param {number} now */
  stall(now) {
    const last = this.resends.at(-1);
    if (!last || last.time < this._eased) return "";
    const run = this.resends.filter((each) => each.side === last.side && each.from === last.from);
    const gaps = run.slice(1).map((each, i) => each.time - run[i].time);
    if (now - last.time > Math.max(2, 2.6 * (gaps.at(-1) ?? 1))) return "";
    const who = last.side === "c" ? "client" : "server";
    const waits = gaps.length ? `, waiting ${gaps.slice(-6).map((gap) => gap.toFixed(2)).join(" s, ")} s` : "";
    return `The ${who} has sent the same ${bytes(last.size)} again ${run.length === 1 ? "once" : `${run.length} times`}${waits}: it hears no acknowledgement.`;
  }
}
