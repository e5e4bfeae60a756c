"use strict";
/* How one arrow is put into a picture. */

/**
 * One arrow of a ladder, or the dot of what one end alone has done.
 * @param {Element} g
 * @param {Arrow} arrow
 * @param {{ladder: Record<string, number>, apart: number}} places where the lifelines stand, and how far apart
 * @param {string[]} faults
 */
function drawArrow(g, arrow, places, faults) {
  const first = arrow.marks[0];
  const y = arrow.at;
  const kind = `${first.fault >= 0 ? `f${first.fault % 6}` : "plain"} ${first.what.toLowerCase().replace(/ /g, "-")}${first.lost ? " lost" : ""}`;
  const whole = labelOf(arrow, faults);
  const x1 = places.ladder[first.from];
  if (!first.to) {
    g.append(svg("circle", { class: `dot ${kind}`, cx: x1, cy: y, r: 3.5 }));
    const outward = first.from === "s" ? -1 : 1;
    const label = fitted(whole, places.apart - 18);
    g.append(svg("text", { class: `label ${kind}`, x: x1 + 9 * outward, y: y + 1, "text-anchor": outward < 0 ? "end" : "start" }, label));
    return;
  }
  const x2 = places.ladder[first.to];
  const way = Math.sign(x2 - x1);
  const stop = first.lost ? x1 + (x2 - x1) * 0.72 : x2 - way * 2;
  const thick = 1.2 + Math.min(Math.log10(1 + arrow.size) * 0.3, 1.8);
  g.append(svg("line", { class: `arrow ${kind}`, x1, x2: first.lost ? stop : stop - way * 5, y1: y, y2: y, "stroke-width": thick }));
  if (first.lost) g.append(svg("path", { class: `cross ${kind}`, d: `M${stop - 4} ${y - 4}l8 8m0 -8l-8 8` }));
  else g.append(svg("path", { class: `tip ${kind}`, d: `M${stop} ${y}l${-8 * way} -4v8z` }));
  g.append(svg("text", { class: `label ${kind}`, x: (x1 + x2) / 2, y: y - 4, "text-anchor": "middle" }, fitted(whole, Math.abs(x2 - x1) - 10)));
}
