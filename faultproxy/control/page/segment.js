"use strict";
/* Reads the header of a TCP segment, as the journal has it. Nothing here touches the page. */

/**
 * @typedef {{flags: number, seq: number, ack: number, window: number, again: {from: number, size: number} | null}} Segment
 * `again`: what the sender of this segment has received twice (D-SACK, RFC 2883): its peer has sent it again.
 */

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
const SACK_OPTION = 5;

/** Whether one sequence number comes before another, modulo 2**32. @param {number} one @param {number} other */
const before = (one, other) => ((one - other) | 0) < 0;

/**
 * @param {string} hex an IP header and a TCP header, both with their options
 * @returns {Segment | null} null where it is none
 */
function segmentOf(hex) {
  const raw = Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
  const view = new DataView(raw.buffer);
  const at = tcpAt(view);
  if (at === null || raw.length < at + 20) return null;
  const ack = view.getUint32(at + 8);
  return { flags: raw[at + 13], seq: view.getUint32(at + 4), ack, window: view.getUint16(at + 14), again: twice(view, at, ack) };
}

/** @param {DataView} view */
function tcpAt(view) {
  if (view.byteLength < 20) return null;
  if (view.getUint8(0) >> 4 === 4) return (view.getUint8(0) & 15) * 4;
  let at = 40;
  let next = view.getUint8(6);
  for (let hops = 0; next !== 6 && hops < 16 && at + 2 <= view.byteLength; hops++) {
    next = view.getUint8(at);
    at += (view.getUint8(at + 1) + 1) * 8;
  }
  return next === 6 ? at : null;
}

/** The first SACK block, if it reports a duplicate: it then lies below the acknowledgement, or within the second. @param {DataView} view @param {number} at @param {number} ack */
function twice(view, at, ack) {
  const end = Math.min(at + (view.getUint8(at + 12) >> 4) * 4, view.byteLength);
  for (let i = at + 20; i < end; ) {
    const kind = view.getUint8(i);
    if (kind === 0) return null;
    if (kind === 1) {
      i++;
      continue;
    }
    const size = i + 1 < end ? view.getUint8(i + 1) : 0;
    if (size < 2 || i + size > end) return null;
    if (kind === SACK_OPTION && size >= 10) return duplicate(view, i + 2, size, ack);
    i += size;
  }
  return null;
}

/** @param {DataView} view @param {number} at @param {number} size @param {number} ack */
function duplicate(view, at, size, ack) {
  const [from, to] = [view.getUint32(at), view.getUint32(at + 4)];
  const below = before(from, ack);
  const within = size >= 18 && !before(from, view.getUint32(at + 8)) && !before(view.getUint32(at + 12), to);
  return below || within ? { from, size: (to - from) >>> 0 } : null;
}

/** What it is, in the words of the ladder. @param {Segment} segment @param {number} size @param {boolean} resent */
function kindOf(segment, size, resent) {
  if (segment.flags & RST) return "RST";
  if (segment.flags & SYN) return segment.flags & ACK ? "SYN ACK" : "SYN";
  if (resent) return "retransmission";
  if (segment.flags & FIN) return "FIN";
  if (size) return "data";
  return segment.window === 0 ? "zero window" : "ACK";
}
