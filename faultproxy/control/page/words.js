"use strict";
/* The journal and the faults in words. Nothing here touches the page. */

/** Keys of a fault's table that say when and whom, and not what. */
const WHEN = ["at", "after", "after_bytes", "on_match", "on_fin", "on_fault", "on_heal"];

/** A value as a scenario file has it, shortly. @param {any} value @returns {string} */
function valueOf(value) {
  if (Array.isArray(value)) return value.map(valueOf).join(", ");
  if (value && typeof value === "object") return Object.entries(value).map(([key, each]) => `${key} ${valueOf(each)}`).join(", ");
  return String(value);
}

/** What a fault is told to do. @param {Record<string, any>} table */
const figuresOf = (table) =>
  Object.entries(table)
    .filter(([key]) => !["kind", "name", "manual"].includes(key))
    .map(([key, value]) => (value === true ? key.replace(/_/g, " ") : `${key.replace(/_/g, " ")} ${valueOf(value)}`))
    .join(" · ");

/** One entry of the journal. @param {any} entry */
function told(entry) {
  const { event, direction, offset, size, tap } = entry;
  const parts = [event.replace(/_/g, " ")];
  if (tap) parts.push(tap.replace("_", " "));
  if (direction) parts.push(direction);
  if (size !== undefined && (event === "data" || size)) parts.push(bytes(size));
  if (offset !== undefined) parts.push(`at ${offset}`);
  if (event === "connect") parts.push(`from ${entry.address}:${entry.port}`);
  if (event === "dialled") parts.push(entry.address);
  if (entry.fault?.kind) parts.push(entry.fault.name); // added, or changed
  if (event === "remove" && entry.fault) parts.push(entry.fault);
  if (event === "order") parts.push(`${entry.heal ? "heal" : "start"} ${entry.fault}`);
  if (event === "filtered") parts.push(`${entry.count} × by ${entry.fault}`);
  if (entry.side && event !== "filtered") parts.push(entry.side);
  if (entry.why) parts.push(`(${entry.why})`);
  const done = (entry.actions ?? []).map(action).filter(Boolean);
  return parts.join(" ") + (done.length ? ` → ${done.join("; ")}` : "");
}

/** @param {any} action */
function action(action) {
  const { fault, direction = "", side = "", size } = action;
  switch (action.do) {
    case "started":
      return `${fault} starts, ${action.why}`;
    case "healed":
      return `${fault} heals, ${action.why}`;
    case "fired":
      return `${fault}: ${action.what}`;
    case "pass":
      return "";
    case "lose":
      return action.held ? "hold it" : "lose it";
    case "send":
      return `send ${direction} ${bytes(size)}`;
    default:
      return [action.do.replace(/_/g, " "), direction || side || (action.tap ?? "").replace("_", " ")].join(" ").trim();
  }
}

/** How long ago, or for how long. @param {number} time seconds */
function ageOf(time) {
  if (time < 100) return `${time.toFixed(time < 10 ? 1 : 0)} s`;
  if (time < 6000) return `${Math.round(time / 60)} min`;
  return `${(time / 3600).toFixed(1)} h`;
}

/** What a fault is doing. @param {any} fault */
function stateOf(fault) {
  const when = WHEN.filter((key) => fault.table[key] !== undefined);
  switch (fault.state) {
    case "active":
      return { on: true, words: `active in ${fault.active} place${fault.active === 1 ? "" : "s"}` };
    case "armed":
      return { on: true, words: "armed: starts where a connection opens" };
    case "resting":
      return { on: false, words: "resting: healed by hand" };
    case "waiting":
      return { on: false, words: `waiting for ${when.length ? when.map((key) => key.replace(/_/g, " ")).join(", ") : "a hand"}` };
    case "over":
      return { on: false, words: "over: its time has passed" };
    default:
      return { on: false, words: fault.state };
  }
}
