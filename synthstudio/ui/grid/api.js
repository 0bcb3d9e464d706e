// Asking the server. Reading is tried again until the server answers; nobody has to reload the page.
import { sleep } from "./dom.js";

export class Refused extends Error {}

export class Api {
  constructor(base) {
    this.base = base;
    this.online = true;
    this.onConnection = () => {};
  }

  address(path) {
    return `${this.base}/${path}`;
  }
  thumb(digest, size) {
    return this.address(`thumbs/${size}/${digest}`);
  }
  image(digest) {
    return this.address(`images/${digest}`);
  }

  /** GET once. */
  async ask(path, parameters = {}) {
    const query = new URLSearchParams(parameters).toString();
    return this.#answer(
      fetch(this.address(`review/${path}`) + (query && `?${query}`), { signal: AbortSignal.timeout(20000) }),
    );
  }

  /** GET until it works: 0.4 s, 0.8 s, ... 6 s apart. A refusal is final. */
  async insist(path, parameters = {}) {
    for (let wait = 400; ; wait = Math.min(6000, wait * 2)) {
      try {
        return await this.ask(path, parameters);
      } catch (error) {
        if (error instanceof Refused) throw error;
      }
      await sleep(wait);
    }
  }

  /** POST once. */
  async say(path, body) {
    return this.#answer(
      fetch(this.address(`review/${path}`), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(30000),
      }),
    );
  }

  async #answer(asked) {
    let response;
    try {
      response = await asked;
    } catch {
      this.#connection(false);
      throw new Error("The server does not answer.");
    }
    const body = await response.json().catch(() => null);
    // A server that is starting answers in pages of its own; only our own words count as an answer.
    if (body === null) {
      this.#connection(false);
      throw new Error("The server is not ready.");
    }
    this.#connection(true);
    if (response.ok) return body;
    const text = String(body.error ?? body.detail ?? `Status ${response.status}`);
    if (response.status >= 500 || response.status === 429 || (response.status === 404 && !body.detail))
      throw new Error(text);
    throw Object.assign(new Refused(text), { status: response.status });
  }

  #connection(online) {
    if (online === this.online) return;
    this.online = online;
    this.onConnection(online);
  }
}
