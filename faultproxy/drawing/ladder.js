"use strict";
/* Which arrows are drawn where. Nothing here touches the page. */

/**
 * @typedef {{time: number, from: string, to: string, what: string, size: number, count: number, fault: number, lost: boolean, note: string, seq: number}} Mark `seq` as Wireshark counts: 1 is the first byte; 0 where it is not known
 * Arrows of one kind that stand so close that they are drawn as one; `y` is where its first belongs, `at` where there is room for it.
 * @typedef {{y: number, at: number, marks: Mark[], size: number, count: number, more: number}} Arrow
 */

/** Pixels from one arrow to the next in the same space. */
const ROW = 17;
/** Pixels that an arrow may stand below its time before it is put into the one above: plain data gives way, what explains a failure does not soon. */
const SLIP = 2 * ROW;
const SLIP_OF_WEIGHT = 6 * ROW;

/**
 * A mark as the page's data has it.
 * @param {any[]} raw
 * @returns {Mark}
 */
function markOf(raw) {
  const [time, from = "", to = "", what = "data", size = 0, count = 1, fault = -1, lost = 0, note = ""] = raw;
  return { time, from, to, what, size, count, fault, lost: lost === 1, note, seq: 0 };
}

/**
 * The marks of a connection, with the place in its stream of whatever was read off the kernels' counters.
 * @param {any[][]} raws in order of time
 * @returns {Mark[]}
 */
function marksOf(raws) {
  /** @type {Record<string, number>} */
  const passed = {};
  return raws.map((raw) => {
    const mark = markOf(raw);
    // A segment that a fault has touched is counted once more when the kernel has counted its bytes.
    if (mark.what !== "data" || mark.fault >= 0) return mark;
    const way = mark.from + mark.to;
    mark.seq = (passed[way] ?? 0) + 1;
    passed[way] = mark.seq - 1 + mark.size;
    return mark;
  });
}

/**
 * The spaces in which it takes its place: between client and proxy, between proxy and server, or both.
 * @param {Mark} mark
 */
function spacesOf(mark) {
  if (!mark.to) return [mark.from === "c" ? "cp" : "ps"];
  const ends = [mark.from, mark.to].sort().join("");
  return ends === "cs" ? ["cp", "ps"] : [ends];
}

/**
 * @param {Mark[]} marks in order of time
 * @param {TimeMap} map
 * @returns {Arrow[]}
 */
function arrows(marks, map) {
  /** @type {Arrow[]} */
  const all = [];
  /** @type {Map<string, Arrow>} */
  const open = new Map();
  /** @type {Map<string, Arrow>} */
  const last = new Map();
  /** @type {Map<string, Arrow>} */
  const lastOfWay = new Map();
  for (const mark of marks) {
    const y = yOf(map, mark.time);
    const spaces = spacesOf(mark);
    const kind = [mark.from, mark.to, mark.what, mark.fault, mark.lost, mark.what === "note" ? mark.note : ""].join("|");
    const like = open.get(kind);
    if (like && y - like.y < ROW) {
      add(like, mark);
      continue;
    }
    const above = spaces.map((space) => last.get(space)).sort((one, other) => (other?.at ?? -Infinity) - (one?.at ?? -Infinity))[0];
    const at = above ? Math.max(y, above.at + ROW) : y;
    const way = mark.from + mark.to;
    const alike = lastOfWay.get(way);
    // Where there is no room, only what goes the same way is put together; the first of the other way is drawn however far below it stands.
    if (above && alike && at - y > (hasWeight(mark) ? SLIP_OF_WEIGHT : SLIP) && above.at - alike.at <= SLIP_OF_WEIGHT) {
      alike.marks.push(mark);
      alike.more += mark.count;
      continue;
    }
    const arrow = { y, at, marks: [mark], size: mark.size, count: mark.count, more: 0 };
    all.push(arrow);
    open.set(kind, arrow);
    lastOfWay.set(way, arrow);
    for (const space of spaces) last.set(space, arrow);
  }
  return all;
}

/** @param {Mark} mark */
const hasWeight = (mark) => mark.fault >= 0 || mark.lost || !["data", "ACK"].includes(mark.what);

/** @param {Arrow} arrow @param {Mark} mark */
function add(arrow, mark) {
  arrow.marks.push(mark);
  arrow.size += mark.size;
  arrow.count += mark.count;
}

/**
 * What stands at an arrow.
 * @param {Arrow} arrow
 * @param {string[]} faults
 */
function labelOf(arrow, faults) {
  const first = arrow.marks[0];
  const parts = [first.what === "note" ? first.note || "note" : first.what];
  if (first.seq) parts.pop(); // a length and a place say that it is data
  if (arrow.size) parts.push(bytes(arrow.size));
  if (arrow.count > 1) parts.push(`× ${arrow.count}`);
  if (first.seq) parts.push(`seq ${first.seq}`);
  if (first.fault >= 0) parts.push(`· ${faults[first.fault]}`);
  if (arrow.more) parts.push(`(+ ${arrow.more})`);
  return parts.join(" ");
}

/**
 * As much of a text as there is room for.
 * @param {string} text
 * @param {number} width pixels
 */
function fitted(text, width) {
  const room = Math.floor(width / 6.7); // of a letter of the labels
  return text.length <= room ? text : `${text.slice(0, Math.max(room - 1, 1)).trimEnd()}…`;
}

/**
 * One mark in words.
 * @param {Mark} mark
 * @param {string[]} faults
 */
function sentence(mark, faults) {
  const names = { c: "client", p: "proxy", s: "server" };
  const name = (/** @type {string} */ letter) => names[/** @type {"c"} */ (letter)] ?? letter;
  const way = mark.to ? `${name(mark.from)} → ${name(mark.to)}` : name(mark.from);
  const what = mark.what === "note" ? "" : ` ${mark.what}${mark.size ? ` ${bytes(mark.size)}` : ""}${mark.count > 1 ? ` × ${mark.count}` : ""}`;
  const fate = mark.lost ? ", lost" : "";
  const bytesOf = mark.seq ? `, seq ${mark.seq}:${mark.seq + mark.size}` : "";
  const by = mark.fault >= 0 ? ` [${faults[mark.fault]}]` : "";
  return `${seconds(mark.time, 4)}  ${way}${what}${bytesOf}${fate}${by}${mark.note ? `: ${mark.note}` : ""}`;
}
