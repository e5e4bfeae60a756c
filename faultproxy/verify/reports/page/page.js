"use strict";
/* The page round the diagrams: list of scenarios, one scenario, its connections. The address tells which: #2 or #2/players 1. */

/** Connections of one expectation that are listed. */
const LISTED = 300;

/** @type {any[]} */
const RESULTS = JSON.parse(document.getElementById("data")?.textContent ?? "[]");
const MAIN = /** @type {HTMLElement} */ (document.getElementById("main"));
const INDEX = /** @type {HTMLElement} */ (document.getElementById("index"));
/** @type {{number: number, crowd: Crowd} | null} */
let current = null;

// ------------------------------------------------------------ one scenario

/** @param {number} number */
function showScenario(number) {
  const result = RESULTS[number];
  const crowd = new Crowd(result, (label) => history.replaceState(null, "", `#${number}/${encodeURIComponent(label)}`));
  const jump = (/** @type {string} */ label, /** @type {number | null} */ time) => {
    crowd.open(label, time);
    crowd.stage.scrollIntoView({ block: "start" });
  };
  const parts = [
    headOf(result),
    section("What was expected", expectations(result, jump)),
    section("Faults", faultsOf(result)),
    result.tracks.length ? section(`Connections (${result.tracks.length})`, crowd.element) : "",
    evidence("Sockets at the end", result.sockets.join("\n")),
    evidence("What happened last", result.journal.join("\n"), true),
    ...Object.entries(result.outputs).map(([name, text]) => evidence(`What the ${name} wrote`, String(text))),
    evidence("Notes", result.notes.join("\n"), true),
  ];
  MAIN.replaceChildren(...parts.filter((part) => part !== ""));
  current = { number, crowd };
  for (const link of INDEX.querySelectorAll("a")) {
    if (link.getAttribute("href") === `#${number}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  crowd.first(asked().label);
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
  const row = (/** @type {any} */ finding) => {
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
      h("td", { class: "at" }, at === null ? "–" : seconds(at), h("div", { class: "muted" }, since ? `since ${since}` : "")),
    );
  };
  const table = (/** @type {any[]} */ findings) => {
    const head = ["", "wanted", "got", "connection", "at"].map((name) => h("th", {}, name));
    return h("div", { class: "wide" }, h("table", { class: "findings" }, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...findings.map(row))));
  };
  const passed = sorted.filter((finding) => finding.judged === "passed");
  if (!passed.length || passed.length === sorted.length) return table(sorted);
  const others = sorted.filter((finding) => finding.judged !== "passed");
  return h("div", {}, table(others), h("details", { class: "passed" }, h("summary", {}, `and ${passed.length} that passed`), table(passed)));
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

/** What the address asks for. */
function asked() {
  const [place, ...label] = location.hash.slice(1).split("/");
  try {
    return { place, label: decodeURIComponent(label.join("/")) };
  } catch {
    return { place, label: "" }; // somebody has cut the address short
  }
}

function follow() {
  const { place, label } = asked();
  const worst = Number(INDEX.querySelector("a")?.getAttribute("href")?.slice(1) ?? 0);
  const number = place === "" ? worst : Number(place);
  if (!RESULTS[number]) return;
  if (current?.number !== number) showScenario(number);
  else if (label) current.crowd.open(label);
}

themeButton();
indexFilter();
window.addEventListener("hashchange", follow);
follow();
