// Decisions on their way. Sent in the order they were made, one batch at a time; kept until the server has committed
// them. The queue survives a reload of the tab; every act has an id, so sending it twice stores it once.
import { uuid } from "../shared/dom.js";
import { Refused } from "../shared/server.js";
import { recall, remember } from "../shared/storage.js";

const BATCH = 40;
const KEEP_UNDO = 500;

export class Queue {
  /** `on` is told of every change: {type: 'queued' | 'stored' | 'refused' | 'failing', ...}. */
  constructor(api, project, on) {
    this.api = api;
    this.project = project;
    this.on = on;
    this.key = `synthstudio.review.${project}`;
    const kept = recall(this.key, {}, "sessionStorage");
    this.tab = kept.tab ?? uuid();
    this.waiting = kept.waiting ?? [];
    this.undoable = kept.undoable ?? [];
    this.redoable = kept.redoable ?? [];
    this.error = "";
    this.sending = false;
    this.wait = 0;
    window.addEventListener("beforeunload", this.#warn);
  }

  close() {
    window.removeEventListener("beforeunload", this.#warn);
    this.closed = true;
  }

  /** Add an act. `before` is how its images stand now, for undo to show at once: [digest, verdict, label]. */
  add(act, before = []) {
    const full = { id: uuid(), ...act };
    const after = this.#after(full, before);
    this.undoable.push({ id: full.id, before, after });
    if (this.undoable.length > KEEP_UNDO) this.undoable.shift();
    this.redoable = [];
    this.#enqueue(full, after);
  }

  /** Take the last act back; returns what its images go back to, or null. */
  undo() {
    return this.#turn(this.undoable, this.redoable);
  }

  /** Do it again. */
  redo() {
    return this.#turn(this.redoable, this.undoable);
  }

  /** Begin to send what an earlier load of this tab left behind. */
  start() {
    for (const act of this.waiting) this.on({ type: "queued", act });
    this.#send();
  }

  #turn(from, to) {
    const last = from.pop();
    if (!last) return null;
    const act = { id: uuid(), undoes: last.id };
    // Undoing an undo is doing it again: before and after change places.
    to.push({ id: act.id, before: last.after, after: last.before });
    this.#enqueue(act, last.before);
    return last.before;
  }

  #after(act, before) {
    return before.map(([digest, , label]) => [
      digest,
      act.verdict,
      act.verdict === "relabel" ? act.label : act.verdict === "clear" ? "" : label,
    ]);
  }

  /** `shows` is how its images look from now on: [digest, verdict, label]. */
  #enqueue(act, shows) {
    const item = { ...act, shows };
    this.waiting.push(item);
    this.#keep();
    this.on({ type: "queued", act: item });
    this.#send();
  }

  #keep() {
    const kept = {
      tab: this.tab,
      waiting: this.waiting,
      undoable: this.undoable.slice(-100),
      redoable: this.redoable.slice(-100),
    };
    remember(this.key, kept, "sessionStorage");
  }

  async #send() {
    if (this.sending || this.closed || !this.waiting.length) return;
    this.sending = true;
    const batch = this.#batch();
    try {
      // What they look like is nothing to the server.
      const acts = batch.map((act) => ({ ...act, shows: undefined }));
      const answer = await this.api.say("decide", { project: this.project, tab: this.tab, acts });
      this.#done(batch);
      this.on({ type: "stored", batch, answer });
    } catch (error) {
      if (error instanceof Refused && error.final && ![401, 409].includes(error.status)) this.#refused(batch, error);
      else this.#failed(batch, error);
    }
    this.sending = false;
    if (this.waiting.length) setTimeout(() => this.#send(), this.wait);
  }

  /** At most so many acts, and at most a thousand named images, in one request. */
  #batch() {
    const batch = [];
    let named = 0;
    for (const act of this.waiting.slice(0, this.alone ? 1 : BATCH)) {
      named += act.images?.length ?? 0;
      if (batch.length && named > 1000) break;
      batch.push(act);
    }
    return batch;
  }

  #done(batch) {
    this.waiting = this.waiting.slice(batch.length);
    this.error = "";
    this.wait = 0;
    this.alone = false;
    this.#keep();
  }

  #failed(batch, error) {
    this.error = error.message;
    this.wait = Math.min(8000, (this.wait || 250) * 2);
    this.on({ type: "failing", batch, error: this.error });
  }

  /** A batch that is refused is sent again one by one, so that one bad act does not take the others with it. */
  #refused(batch, error) {
    if (batch.length > 1) {
      this.alone = true;
      this.wait = 0;
      return;
    }
    this.#done(batch);
    this.undoable = this.undoable.filter((act) => act.id !== batch[0].id);
    this.#keep();
    this.on({ type: "refused", batch, error: error.message });
  }

  #warn = (event) => {
    if (this.waiting.length && this.error) event.preventDefault();
  };
}
