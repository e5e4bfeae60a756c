"use strict";
/* What a result tells of one connection, put together for its picture and for the list. Nothing here touches the page. */

/** `send_queue` as people write it. @param {string} name */
const words = (name) => name.replace(/_/g, " ");

/**
 * The times in which a fault was active on this connection, each in a lane of its fault.
 * @param {any} result
 * @param {any} track
 */
function bandsOf(result, track) {
  /** @type {{fault: number, lane: number, start: number, heal: number | null}[]} */
  const all = [];
  let lanes = 0;
  result.faults.forEach((/** @type {any} */ fault, /** @type {number} */ number) => {
    const mine = fault.bands.filter((/** @type {any[]} */ band) => band[2] === track.label || band[2] === "");
    for (const [start, heal] of mine) all.push({ fault: number, lane: lanes, start, heal });
    if (mine.length) lanes++;
  });
  return { all, lanes };
}

/**
 * Whether a finding is about this connection: it was judged for it, or for the players it belongs to (all of `crowd.NAME`, say).
 * @param {any} finding
 * @param {string} subject
 * @param {string} label
 */
function concerns(finding, subject, label) {
  if (subject) return subject === label || subject === `connection ${label}`;
  const player = label.replace(/ \d+$/, "");
  return finding.what.split(".")[1] === player && /^(crowd|probe)\./.test(finding.what);
}

/**
 * What was expected of this connection, or of everything, and decided at a moment.
 * @param {any} result
 * @param {any} track
 */
function flagsOf(result, track) {
  /** @type {{time: number, judged: string, wanted: string, got: string}[]} */
  const all = [];
  for (const finding of result.findings)
    for (const [subject, at, got] of finding.members)
      if (at !== null && (subject === "" || concerns(finding, subject, track.label))) all.push({ time: at, judged: finding.judged, wanted: finding.wanted, got });
  return all.sort((one, other) => one.time - other.time);
}

/**
 * Phases, those that begin at the same moment under one name.
 * @param {any} result
 */
function phasesOf(result) {
  /** @type {{name: string, time: number}[]} */
  const all = [];
  for (const [name, time] of Object.entries(result.phases)) {
    const last = all[all.length - 1];
    // Before the clock starts everything is at 0: what begins there is the faults' phase.
    if (last && time - last.time < 0.02) last.name = last.time < 0.001 && time < 0.001 ? name : last.name;
    else all.push({ name, time });
  }
  return all;
}

/**
 * What is wrong with a connection, for the list.
 * @typedef {{failed: boolean, acts: number, resets: number, resent: number, stuck: boolean, bytes: number}} Trouble
 */

/**
 * Of each connection, by its label.
 * @param {any} result
 * @returns {Map<string, Trouble>}
 */
function troubles(result) {
  const failed = result.findings.filter((/** @type {any} */ finding) => finding.judged === "failed");
  const named = new Set(failed.flatMap((/** @type {any} */ finding) => finding.members.map((/** @type {any[]} */ member) => member[0].replace(/^connection /, ""))));
  const ofAll = failed.filter((/** @type {any} */ finding) => finding.members.some((/** @type {any[]} */ member) => member[0] === ""));
  const last = (/** @type {any} */ track, /** @type {string} */ name) =>
    ["client", "server"].reduce((sum, side) => sum + Number(track.curves?.[`${side}.${name}`]?.[1].at(-1) ?? 0), 0);
  return new Map(
    result.tracks.map((/** @type {any} */ track) => [
      track.label,
      {
        failed: named.has(track.label) || ofAll.some((/** @type {any} */ finding) => concerns(finding, "", track.label)),
        acts: track.acts,
        resets: (track.marks ?? []).filter((/** @type {any[]} */ mark) => mark[3] === "RST").length,
        resent: last(track, "retransmits"),
        stuck: ["client", "server"].some((side) => track.curves?.[`${side}.zero_window`]?.[1].some(Boolean)),
        bytes: last(track, "bytes_sent"),
      },
    ]),
  );
}

/** How bad it is: what failed before everything else, then resets, zero windows, resends, faults. @param {Trouble} trouble */
const badness = (trouble) =>
  Number(trouble.failed) * 1e12 + Math.min(trouble.resets, 99) * 1e10 + Number(trouble.stuck) * 1e9 + Math.min(trouble.resent, 9999) * 1e5 + Math.min(trouble.acts, 99999);
