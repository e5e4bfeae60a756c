"use strict";
/* The page: what is chosen, what is asked for and how often, and who is told. Everything shown comes from `/v1`, by poll or by journal. */

/** Milliseconds between two looks at the proxies and their connections, and at the chosen one. */
const SLOW = 1000;
const QUICK = 500;
/** Milliseconds by which the journal may come later than the counters that it explains. */
const GRACE = 150;
/** Entries of the journal that are shown from before. */
const PAST = 300;

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);

class Page {
  constructor() {
    this.api = new Api((wrong) => askForToken(wrong));
    /** @type {any[]} */
    this.proxies = [];
    /** @type {Map<string, Card>} */
    this.cards = new Map();
    /** @type {string | null} */
    this.proxy = null;
    /** @type {Track | null} */
    this.track = null;
    /** What the journal has told of it while what was before is still being fetched. @type {any[] | null} */
    this.backlog = null;
    /** Proxies of whose past the journal knows, since the stream is live. @type {Set<string> | null} */
    this.recalled = null;
    this.stays = false;
    /** @type {Record<string, string[]>} faults ever seen, by proxy: the place is the colour */
    this.known = {};
    this.picture = new Picture();
    this.picture.nameOf = (number) => this.known[this.proxy ?? ""]?.[number] ?? "fault";
    this.picture.onHold = () => pressed($("pause"), this.picture.held !== null, "Pause", "Go on");
    $("ladder").append(this.picture.element);
    this.kernel = new KernelTable($("kernel"));
    this.table = new ConnectionTable($("connections-rows"), (ordinal) => this.choose(/** @type {string} */ (this.proxy), ordinal), (ordinal) => this.kill(ordinal));
    this.journal = new JournalList($("journal"), $("journal-count"), (entry) => this.choose(entry.proxy, entry.connection));
    this.form = new FaultForm($("fault"), (proxy, fault, toml) => this.save(proxy, fault, toml));
  }

  async run() {
    this.listen();
    await this.learn();
    this.api.follow((entry) => this.take(entry), (live) => this.live(live));
    this.every(SLOW, () => this.look());
    this.every(QUICK, () => this.lookAtOne());
  }

  /** What does not change while the server runs; asked for until it is answered. */
  async learn() {
    while (!this.form.kinds.length)
      try {
        const [version, kinds] = await Promise.all([this.api.get("/version"), this.api.get("/kinds")]);
        say($("about"), `${version.version} · seed ${version.seed}`);
        this.form.kinds = kinds.kinds;
      } catch (error) {
        this.failed(error);
        await new Promise((next) => setTimeout(next, SLOW));
      }
  }

  /** Again and again, never two at once; a page that nobody sees asks for nothing. @param {number} rest @param {() => Promise<void>} what */
  async every(rest, what) {
    for (;;) {
      if (!document.hidden) await what().catch((error) => this.failed(error));
      await new Promise((next) => setTimeout(next, rest));
    }
  }

  // -------------------------------------------------------------- what is so

  async look() {
    const { proxies } = await this.api.get("/proxies");
    this.proxies = proxies;
    if (!proxies.some((/** @type {any} */ each) => each.name === this.proxy)) this.pick(proxies[0]?.name ?? null);
    this.drawCards();
    const { open, connections } = this.proxy === null ? { open: 0, connections: [] } : await this.api.get(pathOf(this.proxy, "connections"));
    if (!this.track && connections.length) await this.follow(/** @type {string} */ (this.proxy), connections[0].ordinal);
    this.table.chosen = this.track?.proxy === this.proxy ? (this.track?.ordinal ?? null) : null;
    this.table.update(connections, this.proxy === null ? "no proxy yet: make one" : "none open: connect a client");
    say($("connections-count"), `${open} open${open > connections.length ? `, the newest ${connections.length} shown` : ""}${this.proxy === null ? "" : ` · ${this.proxy}`}`);
    this.recovered();
    document.body.dataset.ready = "yes";
  }

  async lookAtOne() {
    const track = this.track;
    if (!track) return;
    if (track.closed !== null) {
      this.kernel.update({});
      say($("connection-about"), "closed");
      this.tellStall();
      return;
    }
    const asked = performance.now();
    let state;
    try {
      state = await this.api.get(pathOf(track.proxy, "connections", track.ordinal));
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
      await new Promise((next) => setTimeout(next, GRACE)); // the journal says when
      track.closed ??= this.picture.now;
      track.version++;
      return;
    }
    if (track !== this.track) return;
    if (performance.now() - asked < 300) this.picture.clock(state.time);
    track.opened ??= state.time - state.age;
    this.kernel.update(state.legs);
    say($("connection-about"), `${state.peer} · ${state.state} · ${ageOf(state.age)}${state.held ? ` · ${bytes(state.held)} held` : ""}`);
    this.tellStall();
    setTimeout(() => track.count(state.time, state), GRACE);
  }

  tellStall() {
    const words = this.track && this.track.closed === null ? this.track.stall(this.picture.now) : "";
    $("stall").hidden = !words;
    say($("stall"), words);
  }

  /** @param {any} entry of the journal */
  take(entry) {
    this.journal.take(entry);
    const track = this.track;
    if (!track || entry.proxy !== track.proxy || entry.connection !== track.ordinal) return;
    if (this.backlog) this.backlog.push(entry);
    else track.take(entry);
  }

  // ------------------------------------------------------------- what is chosen

  /** @param {string | null} proxy */
  pick(proxy) {
    if (proxy === this.proxy) return;
    this.proxy = proxy;
    this.drop();
    this.history().catch((error) => this.failed(error));
  }

  /** What the journal of the chosen proxy has from before this page heard it, once. */
  async history() {
    const { proxy, recalled } = this;
    if (proxy === null || !recalled || recalled.has(proxy)) return;
    recalled.add(proxy);
    const text = await this.api.get(`${pathOf(proxy, "journal")}?newest=${PAST}`);
    const lines = text.split("\n").slice(1, -1); // the first is the header
    if (recalled === this.recalled) this.journal.recall(lines.map((/** @type {string} */ line) => JSON.parse(line)));
  }

  /** No connection is chosen. */
  drop() {
    this.track = null;
    $("connection").hidden = true;
    this.picture.show(null);
    this.ownOnly();
  }

  /** @param {string} proxy @param {number} ordinal */
  async choose(proxy, ordinal) {
    this.pick(proxy);
    this.drawCards();
    await this.follow(proxy, ordinal);
  }

  /** @param {string} proxy @param {number} ordinal */
  async follow(proxy, ordinal) {
    if (this.track?.proxy === proxy && this.track.ordinal === ordinal) return;
    const track = (this.track = new Track(proxy, ordinal, (fault) => this.numberOf(proxy, fault)));
    this.backlog = [];
    this.table.chosen = ordinal;
    this.table.draw();
    this.kernel.clear();
    this.picture.show(track);
    this.ownOnly();
    $("connection").hidden = false;
    say($("connection-title"), `Connection ${ordinal}`);
    await this.recall(track).catch((error) => this.failed(error));
    if (track !== this.track) return;
    for (const entry of this.backlog ?? []) track.take(entry);
    this.backlog = null;
    await this.lookAtOne().catch((error) => this.failed(error));
  }

  /** What the journal has of it already. @param {Track} track */
  async recall(track) {
    const text = await this.api.get(pathOf(track.proxy, "journal"));
    const mine = `"connection": ${track.ordinal},`;
    const entries = text.split("\n").filter((/** @type {string} */ line) => line.includes(mine)).map((/** @type {string} */ line) => JSON.parse(line));
    const twice = new Set((this.backlog ?? []).map((entry) => entry.time));
    for (const entry of entries) if (!twice.has(entry.time)) track.take(entry);
    const last = entries.at(-1);
    if (last) this.picture.clock(last.time);
  }

  ownOnly() {
    const own = $("journal-own").checked && this.track;
    this.journal.own = own ? { proxy: own.proxy, connection: own.ordinal } : null;
    this.journal.changed();
  }

  /** A fault's colour, the same wherever it is shown. @param {string} proxy @param {string} fault */
  numberOf(proxy, fault) {
    const names = (this.known[proxy] ??= []);
    if (!names.includes(fault)) names.push(fault);
    return names.indexOf(fault);
  }

  drawCards() {
    const names = this.proxies.map((each) => each.name);
    for (const [name, card] of this.cards) {
      if (names.includes(name)) continue;
      card.element.remove();
      this.cards.delete(name);
    }
    for (const state of this.proxies) {
      let card = this.cards.get(state.name);
      if (!card) {
        card = new Card(state.name, this.orders);
        this.cards.set(state.name, card);
        $("cards").append(card.element);
      }
      card.update(state, state.name === this.proxy, (fault) => this.numberOf(state.name, fault));
    }
  }

  // -------------------------------------------------------------- what is asked

  /** @type {Orders} */
  orders = {
    choose: (proxy) => {
      this.pick(proxy);
      this.soon();
    },
    order: (proxy, fault, start) => this.ask("POST", pathOf(proxy, "faults", fault, start ? "start" : "heal")),
    drop: (proxy, fault) => this.ask("DELETE", pathOf(proxy, "faults", fault)),
    add: (proxy) => this.form.open(this.proxies.find((each) => each.name === proxy)),
    change: (proxy, fault) => this.form.open(this.proxies.find((each) => each.name === proxy), fault),
    heal: (proxy) => this.ask("POST", pathOf(proxy, "heal")),
    enable: (proxy, enabled) => this.ask("PATCH", pathOf(proxy), { enabled }),
    remove: (proxy) => this.ask("DELETE", pathOf(proxy)),
  };

  /** @param {number} ordinal */
  kill(ordinal) {
    this.ask("POST", pathOf(/** @type {string} */ (this.proxy), "connections", ordinal, "kill"));
  }

  /** @param {string} method @param {string} path @param {any} [body] */
  async ask(method, path, body) {
    try {
      await this.api.call(method, path, body);
      this.recovered();
    } catch (error) {
      this.failed(error, true);
    }
    await this.soon();
  }

  /** @param {string} proxy @param {string | null} fault to be changed; null: a new one @param {string} toml */
  async save(proxy, fault, toml) {
    if (fault === null) await this.api.call("POST", pathOf(proxy, "faults"), toml);
    else await this.api.call("PUT", pathOf(proxy, "faults", fault), toml);
    await this.soon();
  }

  async soon() {
    await this.look().catch((error) => this.failed(error));
  }

  // --------------------------------------------------------------- what is said

  /** @param {boolean} live */
  live(live) {
    say($("stream"), live ? "live" : "not live: the journal cannot be followed; trying again");
    $("stream").className = live ? "passed" : "failed";
    document.body.dataset.stream = live ? "live" : "lost";
    this.recalled = live ? new Set() : null;
    if (!live) return;
    // What has happened while we did not hear is in the journal.
    this.journal.clear();
    this.history().catch((error) => this.failed(error));
    const track = this.track;
    this.track = null;
    if (track) this.follow(track.proxy, track.ordinal);
  }

  /** @param {any} error @param {boolean} [asked] a person has asked for it, so it stays until something else works */
  failed(error, asked = false) {
    if (!(error instanceof Refused) && !(error instanceof TypeError)) throw error;
    this.stays = asked;
    prose($("trouble"), error instanceof Refused ? error.mistakes.join("\n") : "the server does not answer");
    $("trouble").hidden = false;
    if (asked) setTimeout(() => (this.stays = false), 8000);
  }

  recovered() {
    if (!this.stays) $("trouble").hidden = true;
  }

  // ---------------------------------------------------------------- who listens

  listen() {
    $("connections-filter").addEventListener("input", (/** @type {any} */ event) => {
      this.table.filter = event.target.value;
      this.table.draw();
    });
    $("journal-filter").addEventListener("input", (/** @type {any} */ event) => {
      this.journal.filter = event.target.value;
      this.journal.changed();
    });
    $("journal-own").addEventListener("change", () => this.ownOnly());
    $("journal-pause").addEventListener("click", () => {
      this.journal.paused = !this.journal.paused;
      pressed($("journal-pause"), this.journal.paused, "Pause", "Go on");
    });
    $("pause").addEventListener("click", () => this.picture.hold(this.picture.held === null));
    $("scale").addEventListener("change", () => {
      this.picture.scale = Number($("scale").value);
      this.picture.redraw();
    });
    $("kill").addEventListener("click", () => this.track && this.kill(this.track.ordinal));
    $("new-proxy-form").addEventListener("submit", (/** @type {SubmitEvent} */ event) => this.create(event));
    theme($("theme"));
  }

  /** @param {SubmitEvent} event */
  async create(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const wrong = /** @type {HTMLElement} */ (form.querySelector(".mistakes"));
    try {
      const made = await this.api.call("POST", "/proxies", Object.fromEntries(new FormData(form)));
      form.reset();
      wrong.replaceChildren();
      $("new-proxy").open = false;
      this.pick(made.name);
      await this.soon();
    } catch (error) {
      proseList(wrong, error instanceof Refused ? error.mistakes : ["the server does not answer"]);
    }
  }
}

/** A button that is on or off. @param {HTMLElement} element @param {boolean} on @param {string} off @param {string} words */
function pressed(element, on, off, words) {
  element.setAttribute("aria-pressed", String(on));
  say(element, on ? words : off);
}

/** @param {boolean} wrong @returns {Promise<string>} */
function askForToken(wrong) {
  if (wrong) say($("lock-why"), "That was not it. It is what FAULTPROXY_TOKEN or --token was when the server was started.");
  $("token").value = "";
  $("lock").showModal();
  return new Promise((resolve) => {
    $("lock").addEventListener("cancel", (/** @type {Event} */ event) => event.preventDefault());
    $("lock-form").addEventListener("submit", () => resolve($("token").value.trim()), { once: true });
  });
}

/** @param {HTMLElement} element */
function theme(element) {
  const root = document.documentElement;
  try {
    const kept = localStorage.getItem("faultproxy-theme");
    if (kept) root.dataset.theme = kept;
  } catch {
    // Some browsers keep nothing; then it lasts until the page is left.
  }
  element.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("faultproxy-theme", root.dataset.theme);
    } catch {
      // as above
    }
  });
}

/** Also for whoever looks at the page from a console. */
const PAGE = new Page();
PAGE.run();
