"use strict";
/* How time is laid out on the screen, and how values are written. Nothing here touches the page. */

/**
 * Seconds to pixels and back: straight lines between knots.
 * @typedef {{ts: number[], ys: number[], height: number, idle: {from: number, to: number}[]}} TimeMap
 */

/** Pixels that an idle time takes at most where idle time is shortened. */
const IDLE = 40;
/** Pixels beyond which browsers do not lay out an element faithfully. */
const TALLEST = 8e6;

/**
 * @param {number[]} times in order, the first and last being the ends of the diagram
 * @param {number} scale pixels for each second
 * @param {boolean} shorten whether idle time is shortened
 * @returns {TimeMap}
 */
function timeMap(times, scale, shorten) {
  const ts = [times[0]];
  const ys = [0];
  const idle = [];
  for (let i = 1; i < times.length; i++) {
    const lasts = times[i] - times[i - 1];
    if (lasts <= 0) continue;
    const wanted = lasts * scale;
    const given = shorten ? Math.min(wanted, IDLE) : wanted;
    const y = ys[ys.length - 1];
    if (given < wanted) idle.push({ from: y, to: y + given });
    ts.push(times[i]);
    ys.push(y + given);
  }
  return { ts, ys, height: ys[ys.length - 1], idle };
}

/**
 * The scale at which everything is `height` pixels high, or as near to it as shortening lets it come.
 * @param {number[]} times
 * @param {number} height
 * @param {boolean} shorten
 */
function fittingScale(times, height, shorten) {
  const lasts = Math.max(times[times.length - 1] - times[0], 1e-6);
  let low = height / lasts;
  if (!shorten) return low;
  let high = low;
  for (let i = 0; i < 30 && timeMap(times, high, true).height < height; i++) high *= 2;
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    if (timeMap(times, middle, true).height < height) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * The last place whose value is not above `value`; 0 where all are.
 * @param {number[]} values in order
 * @param {number} value
 */
function placeOf(values, value) {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * @param {number[]} from
 * @param {number[]} to
 * @param {number} value
 */
function interpolate(from, to, value) {
  if (from.length < 2) return to[0];
  const i = Math.min(placeOf(from, value), from.length - 2);
  const share = (value - from[i]) / (from[i + 1] - from[i]);
  return to[i] + Math.min(Math.max(share, 0), 1) * (to[i + 1] - to[i]);
}

/** @param {TimeMap} map @param {number} time */
const yOf = (map, time) => interpolate(map.ts, map.ys, time);
/** @param {TimeMap} map @param {number} y */
const timeAt = (map, y) => interpolate(map.ys, map.ts, y);

/**
 * A distance between ticks that reads well: 1, 2 or 5 times a power of ten.
 * @param {number} least
 */
function niceStep(least) {
  const power = Math.pow(10, Math.floor(Math.log10(least)));
  for (const factor of [1, 2, 5]) if (power * factor >= least) return power * factor;
  return power * 10;
}

/** @param {number} time @param {number} [digits] */
const seconds = (time, digits = 3) => `${time.toFixed(digits)} s`;

/** A difference of times. @param {number} time */
const signed = (time) => `${time < 0 ? "−" : "+"}${seconds(Math.abs(time), 4)}`;

/** @param {number} bytes */
function bytes(bytes) {
  if (bytes < 10000) return `${Math.round(bytes)} B`;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < units.length - 1; unit++) bytes /= 1000;
  return `${bytes.toFixed(bytes < 10 ? 2 : bytes < 100 ? 1 : 0)} ${units[unit]}`;
}

/**
 * A value of a curve, as its name asks for.
 * @param {string} name
 * @param {number | string} value
 */
function shown(name, value) {
  if (typeof value === "string") return value;
  if (name === "zero_window") return value ? "yes" : "no";
  if (/bytes|queue|window$/.test(name)) return bytes(value);
  if (/rtt|latency/.test(name)) return `${(value * 1000).toFixed(1)} ms`;
  return String(Math.round(value * 1000) / 1000);
}
