"use strict";
/* The form for a fault: its kinds and their keys come from the server's own description of them. */

/** Keys that all kinds have; these few get a field, the others are written as TOML. */
const COMMON = ["kind", "name", "proxy", "connections", "at", "after_bytes", "on_match", "on_fin", "on_fault", "on_heal", "manual", "after", "lasts", "times", "every", "may_not_fire"];
/** Of a kind's own keys, so many are shown at once. */
const SHOWN = 4;
/** Shown before the others of packet kinds. */
const TELLING = ["direction", "segments", "delay", "size", "rewind", "send"];

/** A field's text as TOML. @param {string} text @param {any} schema */
function tomlOf(text, schema) {
  const kinds = [schema, ...(schema.anyOf ?? [])].map((each) => each.type);
  const raw = /^(-?\d+(\.\d+)?|true|false)$/.test(text) ? kinds.some((kind) => ["integer", "number", "boolean"].includes(kind)) : /^[[{"]/.test(text);
  if (raw) return text;
  const list = kinds.includes("array") && text.includes(",");
  return list ? `[${text.split(",").map((each) => JSON.stringify(each.trim())).join(", ")}]` : JSON.stringify(text);
}

/** A value as TOML. @param {any} value plain JSON @returns {string} */
function tomlValue(value) {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(", ")}]`;
  if (value && typeof value === "object") return `{${Object.entries(value).map(([key, each]) => `${key} = ${tomlValue(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** What a schema lets one choose from; [] if anything else goes. @param {any} schema @returns {string[]} */
function choicesOf(schema) {
  if (schema.enum) return schema.enum;
  if (schema.type === "boolean") return ["true", "false"];
  const words = (schema.anyOf ?? []).find((/** @type {any} */ each) => each.enum);
  return words ? words.enum : [];
}

class FaultForm {
  /**
   * @param {HTMLDialogElement} dialog
   * @param {(proxy: string, fault: string | null, toml: string) => Promise<void>} save adds, or changes that fault; throws Refused
   */
  constructor(dialog, save) {
    this._dialog = dialog;
    this._save = save;
    /** @type {any[]} */
    this.kinds = [];
  }

  /** @param {any} proxy its state @param {any} [fault] its state, where one is to be changed */
  open(proxy, fault) {
    this._proxy = proxy;
    this._fault = fault ?? null;
    const kinds = h("select", { id: "kind", name: "kind" });
    for (const plane of ["stream", "connection", "packet"]) {
      const group = h("optgroup", { label: plane });
      for (const kind of this.kinds.filter((each) => each.plane === plane)) group.append(h("option", { value: kind.kind }, kind.kind));
      kinds.append(group);
    }
    this._about = h("p", { class: "muted about" });
    this._fields = h("div", { class: "fields" });
    this._rest = h("textarea", { id: "rest", rows: "3", spellcheck: "false", placeholder: 'on_match = {c2s = "GO"}\ntimes = 3' });
    this._wrong = h("ul", { class: "mistakes", role: "alert" });
    const form = h("form", { method: "dialog", autocomplete: "off", novalidate: "" },
      h("h2", { id: "fault-title" }, fault ? `Change ${fault.name} of ${proxy.name}` : `Add a fault to ${proxy.name}`),
      h("div", { class: "fields" }, h("label", {}, "Kind ", kinds), this._text("name", "its name", "as its kind")),
      this._about, this._fields,
      h("label", { class: "more" }, "More keys, as in a scenario file ", this._rest),
      this._wrong,
      h("div", { class: "tools" }, h("button", { type: "submit", class: "primary" }, fault ? "Change" : "Add"), button("Cancel", () => this._dialog.close())));
    kinds.addEventListener("change", () => this._choose(/** @type {HTMLSelectElement} */ (kinds).value));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this._send();
    });
    this._dialog.replaceChildren(form);
    this._choose(fault?.kind ?? this.kinds[0]?.kind);
    if (fault) this._fill(fault.table);
    this._dialog.showModal();
    if (fault) /** @type {HTMLElement | null} */ (this._fields?.querySelector("[data-key]"))?.focus();
  }

  /** Puts a fault's keys into their fields, and those that have none below. @param {Record<string, any>} table */
  _fill(table) {
    const rest = [];
    const field = (/** @type {string} */ id) => /** @type {HTMLInputElement | null} */ (this._dialog.querySelector(`#${id}`));
    const [kind, name, start] = /** @type {HTMLInputElement[]} */ (["kind", "key-name", "key-start"].map(field));
    [kind.value, name.value, start.value] = [table.kind, table.name, table.manual ? "manual" : ""];
    kind.disabled = name.readOnly = true; // these stay
    for (const [key, value] of Object.entries(table)) {
      if (["kind", "name", "manual"].includes(key)) continue;
      const written = tomlValue(value);
      const text = typeof value === "string" && tomlOf(value, this._kind.json_schema.properties[key]) === written ? value : written;
      const input = field(`key-${key}`);
      if (input) input.value = text;
      if (input?.value !== text) rest.push(`${key} = ${written}`);
      else input.closest("details")?.setAttribute("open", "");
    }
    /** @type {HTMLTextAreaElement} */ (this._rest).value = rest.join("\n");
  }

  /** @param {string} name */
  _choose(name) {
    this._kind = this.kinds.find((each) => each.kind === name);
    if (!this._kind) return;
    const schema = this._kind.json_schema;
    prose(/** @type {HTMLElement} */ (this._about), `${this._kind.summary}.`);
    const own = Object.keys(schema.properties).filter((key) => !COMMON.includes(key));
    const rank = (/** @type {string} */ key) => (schema.required?.includes(key) ? 0 : TELLING.includes(key) ? 1 : 2);
    own.sort((one, other) => rank(one) - rank(other));
    const fields = own.map((key) => this._field(key, schema.properties[key], schema.required?.includes(key)));
    const rest = fields.slice(SHOWN);
    const start = h("select", { "data-key": "start", id: "key-start" }, h("option", { value: "" }, "at once, or as said below"), h("option", { value: "manual" }, "by hand"));
    const more = rest.length ? [h("details", {}, h("summary", {}, `${rest.length} more of ${name}`), h("div", { class: "fields" }, ...rest))] : [];
    this._fields?.replaceChildren(...fields.slice(0, SHOWN), h("label", {}, "Starts ", start), this._text("lasts", "until healed", "10s"), this._text("connections", "whom it hits", "all"), ...more);
    this._wrong?.replaceChildren();
  }

  /** @param {string} key @param {string} about @param {string} placeholder */
  _text(key, about, placeholder) {
    return this._labelled(key, about, h("input", { "data-key": key, id: `key-${key}`, placeholder }));
  }

  /** @param {string} key @param {string} about @param {HTMLElement} input */
  _labelled(key, about, input) {
    input.setAttribute("title", plain(about));
    input.setAttribute("aria-describedby", `wrong-${key}`);
    return h("label", {}, `${key.replace(/_/g, " ")} `, input, h("span", { class: "wrong", id: `wrong-${key}` }));
  }

  /** @param {string} key @param {any} schema @param {boolean} required */
  _field(key, schema, required) {
    const choices = choicesOf(schema);
    const usual = schema.default === undefined || schema.default === null ? "" : valueOf(schema.default);
    if (choices.length && !required) {
      const list = h("select", { "data-key": key, id: `key-${key}` }, h("option", { value: "" }, usual ? `(${usual})` : "–"), ...choices.map((each) => h("option", { value: each }, each)));
      return this._labelled(key, schema.description ?? "", list);
    }
    const hint = schema.examples?.[0] ?? (schema.anyOf ?? []).flatMap((/** @type {any} */ each) => each.examples ?? [])[0] ?? usual;
    const input = h("input", { "data-key": key, id: `key-${key}`, placeholder: String(hint ?? ""), ...(required ? { required: "" } : {}) });
    return this._labelled(key, schema.description ?? "", input);
  }

  /** The table as TOML. */
  _toml() {
    const lines = ["[[fault]]", `kind = ${JSON.stringify(this._kind.kind)}`];
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (this._dialog.querySelectorAll("[data-key]"))) {
      const [key, text] = [/** @type {string} */ (input.dataset.key), input.value.trim()];
      if (key === "start") lines.push(...(text === "manual" ? ["manual = true"] : []));
      else if (text) lines.push(`${key} = ${tomlOf(text, this._kind.json_schema.properties[key] ?? {})}`);
    }
    return `${lines.join("\n")}\n${/** @type {HTMLTextAreaElement} */ (this._rest).value}\n`;
  }

  async _send() {
    try {
      await this._save(this._proxy.name, this._fault?.name ?? null, this._toml());
      this._dialog.close();
    } catch (error) {
      this._tell(error instanceof Refused ? error.mistakes : [`nobody answers: ${error}`]);
    }
  }

  /** Each mistake beside what it is about. @param {string[]} mistakes */
  _tell(mistakes) {
    const inputs = /** @type {HTMLInputElement[]} */ ([...this._dialog.querySelectorAll("[data-key]")]);
    for (const input of inputs) input.removeAttribute("aria-invalid");
    for (const place of this._dialog.querySelectorAll(".wrong")) place.textContent = "";
    const general = [];
    for (const mistake of mistakes) {
      const said = mistake.replace(/^scenario(:\d+)?: (fault "[^"]*"\.?)?/, "").replace(/^: /, "");
      const about = inputs.find((input) => new RegExp(`^(${input.dataset.key}\\b|\`${input.dataset.key}\` is missing)`).test(said));
      const place = about && this._dialog.querySelector(`#wrong-${about.dataset.key}`);
      if (!about || !place) {
        general.push(said);
        continue;
      }
      about.setAttribute("aria-invalid", "true");
      about.closest("details")?.setAttribute("open", "");
      prose(place, said.replace(new RegExp(`^${about.dataset.key}: `), ""));
    }
    proseList(/** @type {HTMLElement} */ (this._wrong), general);
    (inputs.find((input) => input.getAttribute("aria-invalid")) ?? this._rest)?.focus();
  }
}
