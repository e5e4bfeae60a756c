"use strict";
/* Small curves of the last while. */

/** Points kept of a curve. */
const POINTS = 60;

class Meter {
  constructor() {
    /** @type {number[]} */
    this.values = [];
  }

  /** @param {number} value */
  add(value) {
    this.values.push(value);
    if (this.values.length > POINTS) this.values.shift();
  }

  /** The points of an SVG polyline. @param {number} width @param {number} height @param {number} [most] what the top stands for, at least */
  points(width, height, most = 1) {
    const top = Math.max(most, ...this.values);
    const step = width / (POINTS - 1);
    const first = width - (this.values.length - 1) * step;
    return this.values.map((value, i) => `${(first + i * step).toFixed(1)},${(height - 1 - (value / top) * (height - 2)).toFixed(1)}`).join(" ");
  }
}

/** A curve's picture; `draw` it when its meter has more. */
class Spark {
  /** @param {Meter} meter @param {string} kind @param {number} [width] @param {number} [height] */
  constructor(meter, kind, width = 90, height = 18) {
    this.meter = meter;
    this._size = /** @type {const} */ ([width, height]);
    this._line = svg("polyline", { class: `curve ${kind}` });
    this.element = svg("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    this.element.append(this._line);
  }

  draw() {
    this._line.setAttribute("points", this.meter.points(...this._size));
  }
}

/** Says something only if it is new: what has not changed is not laid out again. @param {Element} element @param {string} text */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
