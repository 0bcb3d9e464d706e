// What the grid asks the server. Reading is tried again until the server answers; nobody has to reload the page.
import { sleep } from "../shared/dom.js";
import { Away, BASE, Refused, get, post } from "../shared/server.js";

const READ = 20000, // milliseconds to wait for an answer
  SAY = 30000;

export class Api {
  constructor() {
    this.online = true;
    this.onConnection = () => {};
  }

  thumb(digest, size) {
    return `${BASE}/thumbs/${size}/${digest}`;
  }
  image(digest) {
    return `${BASE}/images/${digest}`;
  }

  /** GET once. */
  ask(path, parameters = {}, as = "json") {
    return this.#answer(get(`/review/${path}`, parameters, { as, timeout: READ }));
  }

  /** GET until it works: 0.4 s, 0.8 s, ... 6 s apart. A refusal is final. */
  async insist(path, parameters = {}) {
    for (let wait = 400; ; wait = Math.min(6000, wait * 2)) {
      try {
        return await this.ask(path, parameters);
      } catch (error) {
        if (error instanceof Refused && error.final) throw error;
      }
      await sleep(wait);
    }
  }

  /** POST once. */
  say(path, body) {
    return this.#answer(post(`/review/${path}`, body, { quiet: true, timeout: SAY }));
  }

  async #answer(asked) {
    try {
      const found = await asked;
      this.#connection(true);
      return found;
    } catch (error) {
      this.#connection(!(error instanceof Away));
      if (error instanceof Away) throw new Error(error.status ? NOT_READY : NO_ANSWER, { cause: error });
      throw error;
    }
  }

  #connection(online) {
    if (online === this.online) return;
    this.online = online;
    this.onConnection(online);
  }
}

const NO_ANSWER = "The server does not answer.",
  NOT_READY = "The server is not ready."; // a server that is starting answers in pages of its own
