"use strict";
/* The only way to the server: `/v1`, with the token if there is one. */

const TOKEN = "faultproxy.token";
/** Milliseconds until a stream that has ended is asked for again. */
const AGAIN = 1000;

/** What the server has refused, in its own words: `mistakes` has one or more sentences. */
class Refused extends Error {
  /** @param {number} status @param {any} problem */
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `the server answered ${status}`);
    this.status = status;
    /** @type {string[]} */
    this.mistakes = problem?.mistakes?.length ? problem.mistakes : [this.message];
  }
}

class Api {
  /** @param {(wrong: boolean) => Promise<string>} askForToken shows a form; resolves with what was written */
  constructor(askForToken) {
    this._ask = askForToken;
    /** @type {Promise<string> | null} */
    this._asking = null;
    this._token = sessionStorage.getItem(TOKEN) ?? "";
  }

  /**
   * A call; returns what is answered, parsed if it is JSON. Throws Refused, or TypeError where nobody answers.
   * @param {string} method @param {string} path below /v1 @param {any} [body] a string is TOML, everything else JSON
   */
  async call(method, path, body) {
    const answer = await this._fetch(method, path, body);
    const type = answer.headers.get("content-type") ?? "";
    if (answer.status === 204) return null;
    const said = /json/.test(type) ? await answer.json() : await answer.text();
    if (!answer.ok) throw new Refused(answer.status, /json/.test(type) ? said : null);
    return said;
  }

  /** @param {string} path */
  get(path) {
    return this.call("GET", path);
  }

  /**
   * Follows the journal for as long as somebody looks. An entry is told as soon as it is here.
   *
   * A page that nobody sees lets go: browsers keep no more than six connections to a server, for all its pages, and those that they have put
   * aside to come back to would keep theirs.
   * @param {(entry: any) => void} entry @param {(live: boolean) => void} state
   */
  async follow(entry, state) {
    for (;;) {
      await seen();
      const letGo = new AbortController();
      const away = () => document.hidden && letGo.abort();
      const left = () => letGo.abort();
      document.addEventListener("visibilitychange", away);
      addEventListener("pagehide", left);
      try {
        const answer = await this._fetch("GET", "/journal", undefined, letGo.signal);
        if (answer.ok && answer.body) {
          state(true);
          await this._read(answer.body.pipeThrough(new TextDecoderStream()).getReader(), entry);
        }
      } catch (error) {
        if (!(error instanceof TypeError) && !letGo.signal.aborted) throw error;
      } finally {
        document.removeEventListener("visibilitychange", away);
        removeEventListener("pagehide", left);
      }
      state(false);
      await new Promise((next) => setTimeout(next, AGAIN));
    }
  }

  /** @param {ReadableStreamDefaultReader<string>} reader @param {(entry: any) => void} entry */
  async _read(reader, entry) {
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const whole = (rest + value).split("\n\n");
      rest = whole.pop() ?? "";
      for (const event of whole) {
        const at = event.indexOf("data: ");
        if (at >= 0) entry(JSON.parse(event.slice(at + 6)));
      }
    }
  }

  /** @param {string} method @param {string} path @param {any} [body] @param {AbortSignal} [signal] */
  async _fetch(method, path, body, signal) {
    for (;;) {
      const token = this._token;
      /** @type {Record<string, string>} */
      const headers = token ? { authorization: `Bearer ${token}` } : {};
      if (body !== undefined) headers["content-type"] = typeof body === "string" ? "application/toml" : "application/json";
      const content = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
      const answer = await fetch(`/v1${path}`, { method, headers, body: content, cache: "no-store", signal });
      if (answer.status !== 401) return answer;
      if (token === this._token) await this._unlock(token !== "");
    }
  }

  /** Asks once, however many calls wait for it. @param {boolean} wrong */
  async _unlock(wrong) {
    this._asking ??= this._ask(wrong).finally(() => (this._asking = null));
    this._token = await this._asking;
    sessionStorage.setItem(TOKEN, this._token);
  }
}

/** Until the page is seen. @returns {Promise<void>} */
const seen = () =>
  new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    look();
  });

/** The path of a proxy, or of something of it. @param {string} proxy @param {...(string | number)} parts */
const pathOf = (proxy, ...parts) => ["/proxies", proxy, ...parts].map((part, i) => (i ? encodeURIComponent(part) : part)).join("/");
