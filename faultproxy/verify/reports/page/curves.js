"use strict";
/* What the kernels knew of a connection, beside the ladder, on the same time. Nothing here touches the page. */

/**
 * @typedef {{name: string, client: Curve | null, server: Curve | null, most: number}} Column
 * @typedef {[number[], (number | string)[]]} Curve
 */

/** Pixels of a column. */
const COLUMN = 82;
/** What is drawn first: the rest may need scrolling. The ladder shows bytes already, and zero windows too. */
const TELLING = ["send_queue", "peer_window", "retransmits", "unacked", "backoff", "rtt", "recv_queue"];
/** Drawn beside the lifelines. */
const BESIDE = ["tcp_state", "zero_window"];

/**
 * Curves by what they are of; those that never change from nothing come as names only.
 * @param {Record<string, Curve>} curves
 * @returns {{columns: Column[], flat: string[]}}
 */
function columnsOf(curves) {
  const names = [...new Set(Object.keys(curves).map((name) => name.replace(/^(client|server)\./, "")))].filter((name) => !BESIDE.includes(name));
  const rank = (/** @type {string} */ name) => (TELLING.includes(name) ? TELLING.indexOf(name) : TELLING.length);
  names.sort((one, other) => rank(one) - rank(other));
  const columns = names.map((name) => {
    const client = curves[`client.${name}`] ?? null;
    const server = curves[`server.${name}`] ?? null;
    const values = [client, server].flatMap((curve) => (curve ? curve[1].map(Number) : []));
    return { name, client, server, most: Math.max(0, ...values.filter(Number.isFinite)) };
  });
  return { columns: columns.filter((column) => column.most > 0), flat: columns.filter((c) => c.most <= 0).map((c) => c.name) };
}

/**
 * The value at a time: that of the last point before, null before the first.
 * @param {Curve | null} curve
 * @param {number} time
 */
function valueAt(curve, time) {
  if (!curve || !curve[0].length || time < curve[0][0]) return null;
  return curve[1][placeOf(curve[0], time)];
}

/**
 * A curve as the steps of an SVG path, from `left`, `width` wide.
 * @param {Curve} curve
 * @param {TimeMap} map
 * @param {number} end when it ends
 * @param {(value: number) => number} xOf
 */
function steps(curve, map, end, xOf) {
  let path = "";
  curve[0].forEach((time, i) => {
    const x = xOf(Number(curve[1][i])).toFixed(1);
    const y = yOf(map, time).toFixed(1);
    path += i ? `V${y}H${x}` : `M${x} ${y}`;
  });
  return `${path}V${yOf(map, end).toFixed(1)}`;
}

/**
 * The stretches of time in which a value stayed what it was.
 * @param {Curve | undefined} curve
 * @param {number} end
 */
function stretches(curve, end) {
  const [times, values] = curve ?? [[], []];
  return times.map((from, i) => ({ from, to: times[i + 1] ?? end, state: String(values[i]) }));
}
