"use strict";
/* The proxies, a card each: where it listens, what passes, and its faults as switches. */

/** Milliseconds in which a second click must follow where the first only asks. */
const SURE = 3000;

/**
 * What a card may ask for.
 * @typedef {{
 *   choose: (proxy: string) => void,
 *   order: (proxy: string, fault: string, start: boolean) => void,
 *   drop: (proxy: string, fault: string) => void,
 *   add: (proxy: string) => void,
 *   change: (proxy: string, fault: any) => void,
 *   heal: (proxy: string) => void,
 *   enable: (proxy: string, enabled: boolean) => void,
 *   remove: (proxy: string) => void,
 * }} Orders
 */

/** @param {string} text @param {() => void} act @param {Record<string, string>} [attributes] */
function button(text, act, attributes = {}) {
  const element = h("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", act);
  return element;
}

/** A button that wants a second click. @param {string} text @param {string} question @param {() => void} act */
function sureButton(text, question, act) {
  let sure = false;
  const rest = () => {
    sure = false;
    say(element, text);
  };
  const element = button(text, () => {
    if (sure) act();
    else setTimeout(rest, SURE);
    sure = !sure;
    say(element, sure ? question : text);
  }, { class: "danger" });
  return element;
}

class FaultRow {
  /** @param {string} proxy @param {any} fault @param {Orders} orders */
  constructor(proxy, fault, orders) {
    const name = h("span", { class: "name", id: `fault-${proxy}-${fault.name}` }, fault.name);
    this._on = false;
    this.toggle = button("", () => orders.order(proxy, fault.name, !this._on), { role: "switch", class: "switch", "aria-labelledby": name.id });
    this._kind = h("span", { class: "muted" });
    this._fired = h("span", { class: "fired" });
    this._figures = h("span", { class: "muted figures" });
    this._state = h("span", { class: "state" });
    this._fault = fault;
    const change = button("✎", () => orders.change(proxy, this._fault), { class: "away change", "aria-label": `Change ${fault.name}`, title: "Change its figures" });
    const away = button("×", () => orders.drop(proxy, fault.name), { class: "away", "aria-label": `Take out ${fault.name}`, title: "Take it out" });
    this.element = h("li", { class: "fault" }, this.toggle, h("div", {}, h("div", { class: "first" }, name, " ", this._kind, this._fired), this._figures, this._state), h("div", { class: "acts" }, change, away));
  }

  /** @param {any} fault @param {number} number its colour */
  update(fault, number) {
    const { on, words } = stateOf(fault);
    this._fault = fault;
    this._on = on;
    this.element.className = `fault f${number % 6}${fault.active ? " active" : ""}`;
    if (this.toggle.getAttribute("aria-checked") !== String(on)) this.toggle.setAttribute("aria-checked", String(on));
    say(this._kind, fault.kind === fault.name ? fault.plane : `${fault.kind} · ${fault.plane}`);
    say(this._fired, fault.fired ? `${fault.fired} ×` : "");
    this._fired.title = fault.fired ? `has acted ${fault.fired} times; the last: ${fault.last}` : "";
    say(this._figures, figuresOf(fault.table));
    say(this._state, words);
  }
}

class Card {
  /** @param {string} name @param {Orders} orders */
  constructor(name, orders) {
    this.name = name;
    this._orders = orders;
    this._before = { at: 0, c2s: 0, s2c: 0 };
    this.choose = button(name, () => orders.choose(name), { class: "choose" });
    this._badge = h("span", { class: "badge" });
    this._route = h("p", { class: "route" });
    this._counts = h("p", { class: "counts" });
    this._rates = { c2s: new Spark(new Meter(), "client", 120), s2c: new Spark(new Meter(), "server", 120) };
    this._words = { c2s: h("span", { class: "rate" }), s2c: h("span", { class: "rate" }) };
    const rate = (/** @type {"c2s"} */ way, /** @type {string} */ label) => h("div", { class: "rates" }, h("span", { class: "muted" }, label), this._words[way], this._rates[way].element);
    /** @type {Map<string, FaultRow>} */
    this._faults = new Map();
    this._list = h("ul", { class: "faults", "aria-label": `Faults of ${name}` });
    this._message = h("p", { class: "message muted" });
    this._enable = button("Disable", () => orders.enable(name, !this._enabled));
    this._enabled = true;
    const tools = h("div", { class: "tools" }, button("Add a fault", () => orders.add(name), { class: "add" }), button("Heal all", () => orders.heal(name)), this._enable,
      sureButton("Remove", "Remove it?", () => orders.remove(name)));
    this.element = h("li", { class: "card" }, h("h3", {}, this.choose, this._badge), this._route, rate("c2s", "to server"), rate(/** @type {any} */ ("s2c"), "to client"), this._counts, this._list, this._message, tools);
  }

  /** @param {any} state @param {boolean} chosen @param {(fault: string) => number} numberOf */
  update(state, chosen, numberOf) {
    this._enabled = state.enabled;
    this.element.classList.toggle("off", !state.enabled);
    this.element.classList.toggle("chosen", chosen);
    if (chosen) this.choose.setAttribute("aria-current", "true");
    else this.choose.removeAttribute("aria-current");
    say(this._badge, state.listening);
    say(this._route, `${state.listen} → ${state.upstream}`);
    say(this._counts, `${state.open} open · ${state.opened} opened${state.failed ? ` · ${state.failed} failed` : ""}${state.held ? ` · ${bytes(state.held)} held` : ""}`);
    this._counts.classList.toggle("holding", state.held > 0);
    say(this._message, state.messages.at(-1) ?? "");
    say(this._enable, state.enabled ? "Disable" : "Enable");
    this._measure(state);
    const names = state.faults.map((/** @type {any} */ fault) => fault.name);
    for (const [name, row] of this._faults) {
      if (names.includes(name)) continue;
      row.element.remove();
      this._faults.delete(name);
    }
    for (const fault of state.faults) {
      let row = this._faults.get(fault.name);
      if (!row) {
        row = new FaultRow(this.name, fault, this._orders);
        this._faults.set(fault.name, row);
        this._list.append(row.element);
      }
      row.update(fault, numberOf(fault.name));
    }
  }

  /** @param {any} state */
  _measure(state) {
    const at = performance.now() / 1000;
    const before = this._before;
    this._before = { at, c2s: state.c2s, s2c: state.s2c };
    if (!before.at) return;
    for (const way of /** @type {const} */ (["c2s", "s2c"])) {
      const rate = Math.max(state[way] - before[way], 0) / (at - before.at);
      this._rates[way].meter.add(rate);
      this._rates[way].draw();
      say(this._words[way], `${bytes(rate)}/s`);
    }
  }
}
