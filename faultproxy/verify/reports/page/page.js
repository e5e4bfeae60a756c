"use strict";
/* The page round the diagrams: list of scenarios, one scenario, its connections. The address tells which: #2 or #2/players 1. */

/** Connections that are listed at once; a filter finds the others. */
const LISTED = 300;

/**
 * An element. Strings become text, never markup.
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== ""));
  return element;
}

/** @type {any[]} */
const RESULTS = JSON.parse(document.getElementById("data")?.textContent ?? "[]");
const MAIN = /** @type {HTMLElement} */ (document.getElementById("main"));
const INDEX = /** @type {HTMLElement} */ (document.getElementById("index"));
/** @type {{number: number, open: (label: string, time?: number | null) => void} | null} */
let current = null;

// ------------------------------------------------------------ one scenario

/** @param {number} number */
function showScenario(number) {
  const result = RESULTS[number];
  const connections = connectionsOf(result, number);
  const jump = (/** @type {string} */ label, /** @type {number | null} */ time) => {
    connections.open(label, time);
    connections.element.scrollIntoView({ block: "start" });
  };
  const parts = [
    headOf(result),
    section("What was expected", expectations(result, jump)),
    section("Faults", faultsOf(result)),
    result.tracks.length ? section(`Connections (${result.tracks.length})`, connections.element) : "",
    evidence("Sockets at the end", result.sockets.join("\n")),
    evidence("What happened last", result.journal.join("\n"), true),
    ...Object.entries(result.outputs).map(([name, text]) => evidence(`What the ${name} wrote`, String(text))),
    evidence("Notes", result.notes.join("\n"), true),
  ];
  MAIN.replaceChildren(...parts.filter((part) => part !== ""));
  current = { number, open: connections.open };
  for (const link of INDEX.querySelectorAll("a")) {
    if (link.getAttribute("href") === `#${number}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  connections.first();
}

/** @param {any} result */
function headOf(result) {
  const reason = result.reason ? [h("p", { class: "why" }, result.reason)] : [];
  const copy = h("button", { type: "button" }, "Copy");
  copy.addEventListener("click", () => navigator.clipboard?.writeText(result.again).then(() => (copy.textContent = "Copied")));
  const covers = result.covers.length ? ` · covers ${result.covers.join(", ")}` : "";
  return h(
    "section",
    { class: `headline ${result.outcome}` },
    h("h2", {}, h("b", {}, result.outcome.replace(/_/g, " ")), " ", result.title || result.scenario),
    h("p", { class: "muted" }, `${result.scenario} · ${result.seconds.toFixed(2)} s · seed ${result.seed}${covers}`),
    ...reason,
    h("p", { class: "again" }, h("code", {}, result.again), " ", copy),
  );
}

/** @param {string} title @param {Node | ""} body */
function section(title, body) {
  return body === "" ? "" : h("section", {}, h("h3", {}, title), body);
}

/** @param {string} title @param {string} text @param {boolean} [open] */
function evidence(title, text, open) {
  if (!text) return "";
  return h("details", open ? { open: "" } : {}, h("summary", {}, title), h("pre", { tabindex: "0" }, text));
}

/**
 * @param {any} result
 * @param {(label: string, time: number | null) => void} jump
 */
function expectations(result, jump) {
  if (!result.findings.length) return "";
  const order = ["failed", "inconclusive", "not_judged", "passed"];
  const sorted = [...result.findings].sort((one, other) => order.indexOf(one.judged) - order.indexOf(other.judged));
  const rows = sorted.map((finding) => {
    const [subject, at, got, since, reason] = finding.members[0];
    const many = finding.count > 1 ? `${finding.count} times; the first: ` : "";
    const known = result.tracks.some((/** @type {any} */ track) => track.label === subject);
    const link = h("button", { type: "button", class: "link" }, subject);
    link.addEventListener("click", () => jump(subject, at));
    const details = [h("div", {}, many, got || "–")];
    if (reason) details.push(h("div", { class: "reason" }, reason));
    if (finding.count > 1) details.push(membersOf(finding, jump));
    return h(
      "tr",
      { class: finding.judged },
      h("td", {}, h("b", {}, finding.judged.replace(/_/g, " "))),
      h("td", {}, finding.wanted),
      h("td", {}, ...details),
      h("td", {}, known ? link : subject || "all"),
      h("td", {}, at === null ? "–" : seconds(at), h("div", { class: "muted" }, since ? `since ${since}` : "")),
    );
  });
  const head = ["", "wanted", "got", "connection", "at"].map((name) => h("th", {}, name));
  return h("div", { class: "wide" }, h("table", { class: "findings" }, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows)));
}

/** @param {any} finding @param {(label: string, time: number | null) => void} jump */
function membersOf(finding, jump) {
  const list = h("ul", {});
  const details = h("details", {}, h("summary", {}, "each of them"), list);
  details.addEventListener("toggle", () => {
    if (list.firstChild) return;
    for (const [subject, at, got, , reason] of finding.members.slice(0, LISTED)) {
      const link = h("button", { type: "button", class: "link" }, subject || "all");
      link.addEventListener("click", () => jump(subject, at));
      list.append(h("li", {}, link, ` ${got}${reason ? ` (${reason})` : ""}`));
    }
    if (finding.count > LISTED) list.append(h("li", { class: "muted" }, `and ${finding.count - LISTED} more`));
  });
  return details;
}

/** @param {any} result */
function faultsOf(result) {
  if (!result.faults.length) return "";
  const items = result.faults.map((/** @type {any} */ fault, /** @type {number} */ number) => {
    const acted = fault.fired ? `acted ${fault.fired} ×` : "never acted";
    const counts = `${fault.starts} start${fault.starts === 1 ? "" : "s"}, ${fault.heals} healed, ${acted}`;
    return h("li", {}, h("span", { class: `swatch f${number % 6}` }), " ", fault.words || `${fault.name}: ${fault.kind}`, h("span", { class: fault.fired ? "muted" : "reason" }, ` — ${counts}`));
  });
  return h("ul", { class: "faults" }, ...items);
}

// ------------------------------------------------------------- connections

/** @param {any} result @param {number} number */
function connectionsOf(result, number) {
  const failed = new Set();
  for (const finding of result.findings) if (finding.judged === "failed") for (const [subject] of finding.members) failed.add(subject);
  const rank = (/** @type {any} */ track) => (failed.has(track.label) ? 0 : track.acts ? 1 : 2);
  const tracks = [...result.tracks].sort((one, other) => rank(one) - rank(other));
  const search = /** @type {HTMLInputElement} */ (h("input", { type: "search", placeholder: `Filter ${tracks.length} connections`, "aria-label": "Filter connections" }));
  const list = h("ul", { class: "tracks" });
  const filter = tracks.length > 6 ? search : "";
  const stage = h("div", { class: "stage" });
  const element = h("div", { class: "connections" }, h("div", { class: "picker" }, filter, list), stage);
  let shown = "";

  const mark = () => {
    for (const button of list.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.label === shown));
  };
  const fill = () => {
    const asked = search.value.trim().toLowerCase();
    const found = tracks.filter((track) => `${track.label} ${track.role} ${failed.has(track.label) ? "failed" : ""} ${track.acts ? "fault" : ""}`.toLowerCase().includes(asked));
    const items = found.slice(0, LISTED).map((track) => h("li", {}, trackButton(track, failed.has(track.label), () => open(track.label))));
    if (found.length > LISTED) items.push(h("li", { class: "muted" }, `and ${found.length - LISTED} more: use the filter`));
    list.replaceChildren(...items);
    mark();
  };
  /** @param {string} label @param {number | null} [time] */
  const open = (label, time) => {
    const track = tracks.find((each) => each.label === label);
    if (!track) return;
    shown = label;
    mark();
    history.replaceState(null, "", `#${number}/${encodeURIComponent(label)}`);
    stage.replaceChildren(...diagramOf(result, track, time ?? null));
  };
  search.addEventListener("input", fill);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[/** @type {"ArrowDown"} */ (event.key)];
    const buttons = [...list.querySelectorAll("button")];
    const next = step && buttons[buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement)) + step];
    if (next) {
      next.focus();
      event.preventDefault();
    }
  });
  fill();
  const first = () => {
    const asked = decodeURIComponent(location.hash.split("/").slice(1).join("/"));
    const track = tracks.find((each) => each.label === asked) ?? tracks[0];
    if (track) open(track.label);
  };
  return { element, open, first };
}

/** @param {any} track @param {boolean} failed @param {() => void} open */
function trackButton(track, failed, open) {
  const about = [track.role, track.acts ? `${track.acts} × fault` : "", failed ? "failed" : ""].filter(Boolean).join(" · ");
  const button = h("button", { type: "button", "data-label": track.label, class: failed ? "failed" : track.acts ? "acted" : "" }, h("b", {}, track.label), h("span", {}, about));
  button.addEventListener("click", open);
  return button;
}

/** @param {any} result @param {any} track @param {number | null} time */
function diagramOf(result, track, time) {
  const lived = `${track.label} (${track.role}), opened at ${seconds(track.opened)}, ${track.closed === null ? "open to the end" : `closed at ${seconds(track.closed)}`}`;
  if (!track.marks) return [h("p", {}, lived), h("p", { class: "muted" }, "Its details are left out to keep this page small; the JSON report has them.")];
  const view = new View(result, track);
  if (time !== null) setTimeout(() => view.goTo(time), 50);
  const list = h("pre", { tabindex: "0" });
  const details = h("details", {}, h("summary", {}, `All ${track.marks.length} marks as a list`), list);
  details.addEventListener("toggle", () => {
    list.textContent ||= view.marks.map((mark) => sentence(mark, view.faults)).join("\n");
  });
  return [h("p", { class: "muted" }, lived), view.element, details];
}

// ------------------------------------------------------------- the page

function themeButton() {
  const button = h("button", { type: "button", class: "theme" }, "Dark / light");
  const root = document.documentElement;
  try {
    const kept = localStorage.getItem("faultproxy-theme");
    if (kept) root.dataset.theme = kept;
  } catch {
    // A page from a file may have no storage: then the choice lasts as long as the page.
  }
  button.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("faultproxy-theme", root.dataset.theme);
    } catch {
      // As above.
    }
  });
  document.querySelector("header")?.append(button);
}

function indexFilter() {
  const items = [...INDEX.children];
  if (items.length < 2) document.querySelector("nav")?.classList.add("single");
  if (items.length < 8) return;
  const search = /** @type {HTMLInputElement} */ (h("input", { type: "search", placeholder: "Filter scenarios", "aria-label": "Filter scenarios" }));
  search.addEventListener("input", () => {
    const asked = search.value.trim().toLowerCase();
    for (const item of items) /** @type {HTMLElement} */ (item).hidden = !(item.textContent ?? "").toLowerCase().includes(asked);
  });
  INDEX.before(search);
}

function follow() {
  const [place, ...label] = location.hash.slice(1).split("/");
  const worst = Number(INDEX.querySelector("a")?.getAttribute("href")?.slice(1) ?? 0);
  const number = place === "" ? worst : Number(place);
  if (!RESULTS[number]) return;
  if (current?.number !== number) showScenario(number);
  else if (label.length) current.open(decodeURIComponent(label.join("/")));
}

themeButton();
indexFilter();
window.addEventListener("hashchange", follow);
follow();
