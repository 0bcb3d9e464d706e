// What the server says of its work. One poller per page; every part draws what it says and nothing else, so a reload, a
// second tab and a restarted server all show the same.
import { inSight } from "./dom.js";
import { keep, go, query } from "./address.js";
import { notifies, notify } from "./notify.js";
import { Away, Refused, get, heard } from "./server.js";

const ACTIVE = ["running", "stopping", "queued"];
const LOST = "No contact with the server; trying again…";

/** What /state said last, and why it says nothing now. */
export let state = null;
export let offline = "";

let timer = 0,
  busy = false,
  delay = 700;

async function poll() {
  clearTimeout(timer);
  if (busy) return;
  busy = true;
  try {
    if (watched()) await ask();
    else delay = 3000;
  } catch (error) {
    // What a server says of itself ("cannot be opened") or nothing at all.
    offline = error instanceof Away ? LOST : error.message;
    delay = Math.min(8000, delay * 1.6);
  } finally {
    busy = false;
  }
  document.documentElement.classList.toggle("ss-offline", offline !== "");
  window.dispatchEvent(new CustomEvent("studio:state", { detail: state }));
  timer = setTimeout(poll, delay);
}

/** Whether anybody wants to know: somebody looks, or waits for work to end. */
const watched = () =>
  !document.hidden ||
  state === null ||
  ACTIVE.includes(state.pipeline?.state) ||
  (notifies() && (state.running.length || state.queued));

async function ask() {
  const wanted = query().get("run");
  const found = await get("/state", wanted ? { pipeline: wanted } : {});
  notify(state, found);
  state = found;
  offline = "";
  const working = state.running.length || state.queued || state.pipeline?.state === "running";
  delay = document.hidden ? 5000 : working ? 700 : 3000;
}

/** Ask soon: something may have changed. */
export function poke() {
  delay = 300;
  clearTimeout(timer);
  timer = setTimeout(poll, 60);
}

/** Begin to ask. */
export function startPolling() {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) poke();
  });
  heard.addEventListener("posted", poke);
  poll();
}

/** Show a recipe's panel: the one that the address names, or (null) the newest. */
export function watch(pipeline) {
  keep({ run: pipeline });
  if (pipeline) go("start");
  poke();
}

/** An element that draws the state. */
export class Part extends HTMLElement {
  connectedCallback() {
    if (!this.built) {
      this.built = true;
      this.build();
    }
    window.addEventListener("studio:state", this.listen);
    this.listen();
  }
  disconnectedCallback() {
    window.removeEventListener("studio:state", this.listen);
  }
  listen = () => state && this.draw(state);
}

/** An element that asks the server for more than the state says: `look(state)` asks and draws, while the element is in
 * sight, one question at a time and at most every so many milliseconds (`every`). */
export class Asking extends Part {
  every = 0;
  asked = 0;
  asking = false;

  async draw(now) {
    if (inSight(this) && Date.now() - this.asked >= this.every) await this.ask(now);
  }

  async ask(now = state) {
    if (this.asking) return;
    this.asking = true;
    this.asked = Date.now();
    try {
      await this.look(now);
    } catch (error) {
      if (!(error instanceof Away || error instanceof Refused)) throw error; // the bar says that the server is away
    } finally {
      this.asking = false;
    }
  }

  /** Ask now, however short ago that was. */
  again() {
    this.asked = 0;
    return this.listen();
  }
}
