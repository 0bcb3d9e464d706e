// What is known of the images of a view: pages as they were fetched, decisions as the server has committed them, and
// decisions still on their way, shown on top and marked as such.

const PAGE = 200;
const PAGES_KEPT = 60;

export class Store {
  constructor(api, onChange) {
    this.api = api;
    this.onChange = onChange;
    this.query = null;
    this.total = 0;
    this.pages = new Map();
    this.known = new Map(); // digest -> row
    this.pending = new Map(); // digest -> [{act, verdict, label}]
    this.problems = new Map();
    this.last = 0;
  }

  /** Show another view: its settled query and its size. */
  use(query, total) {
    this.query = query;
    this.total = total;
    this.pages.clear();
    this.known.clear();
    this.asked = JSON.stringify(query);
  }

  /** The row at a place if it is here; otherwise it is fetched, if there is one, and `onChange` will be called. */
  row(place) {
    if (place < 0 || place >= this.total) return undefined;
    const at = Math.floor(place / PAGE);
    const page = this.pages.get(at);
    if (page === undefined) this.#fetch(at);
    return Array.isArray(page) ? page[place - at * PAGE] : undefined;
  }

  /** The row at a place, waiting for it if need be. */
  async rowWhenThere(place) {
    const row = this.row(place);
    if (row) return row;
    await this.pages.get(Math.floor(place / PAGE));
    return this.row(place);
  }

  /** Where an image stands, if its page is here; else -1. */
  placeOf(digest) {
    for (const [at, page] of this.pages) {
      const place = Array.isArray(page) ? page.findIndex((row) => row.digest === digest) : -1;
      if (place >= 0) return at * PAGE + place;
    }
    return -1;
  }

  /** Fetch again what may be out of date. */
  refresh() {
    for (const at of [...this.pages.keys()]) this.#fetch(at, true);
  }

  /** How an image stands: what is on its way comes before what is committed. */
  shown(row) {
    const waiting = this.pending.get(row.digest)?.at(-1);
    const problem = this.problems.get(row.digest);
    const { verdict, label } = waiting ?? row;
    return {
      verdict,
      label: label || row.own,
      moved: Boolean(label) && label !== row.own,
      waiting: Boolean(waiting),
      problem,
    };
  }

  /** Show a decision before it is committed. */
  expect(act, states) {
    for (const [digest, verdict, label] of states) {
      this.problems.delete(digest);
      if (!this.pending.has(digest)) this.pending.set(digest, []);
      this.pending.get(digest).push({ act, verdict, label });
    }
    this.onChange();
  }

  /** An act is over: committed or refused. */
  settle(acts) {
    const ids = new Set(acts);
    for (const [digest, list] of this.pending) {
      const left = list.filter((one) => !ids.has(one.act));
      if (left.length) this.pending.set(digest, left);
      else this.pending.delete(digest);
    }
  }

  /** Mark the images of some acts with what went wrong, or take the marks away. */
  problem(acts, text) {
    const ids = new Set(acts);
    for (const [digest, list] of this.pending)
      if (list.some((one) => ids.has(one.act))) this.problems.set(digest, text);
  }

  /** Decisions the server has committed: [digest, verdict, label, seq]. Older news never replaces newer. */
  learn(rows) {
    for (const [digest, verdict, label, seq] of rows) {
      this.problems.delete(digest);
      const row = this.known.get(digest);
      if (row && seq >= row.seq) Object.assign(row, { verdict, label, seq });
    }
    this.onChange();
  }

  #fetch(at, again = false) {
    const asked = this.asked;
    const fetched = this.api
      .insist("page", { q: asked, start: at * PAGE, count: PAGE })
      .then((rows) => {
        if (asked !== this.asked) return;
        this.pages.delete(at);
        this.pages.set(
          at,
          rows.map((row) => this.#row(row)),
        );
        this.#forget();
        this.onChange();
      })
      .catch(() => {
        if (asked === this.asked && !again) this.pages.delete(at);
      });
    if (!again) this.pages.set(at, fetched);
  }

  #row([digest, own, origin, verdict, label, seq, score]) {
    const known = this.known.get(digest);
    const row = known ?? { digest, own, origin, verdict, label, seq, score };
    if (known && seq >= known.seq) Object.assign(known, { verdict, label, seq });
    this.known.set(digest, row);
    return row;
  }

  #forget() {
    for (const [at, page] of this.pages) {
      if (this.pages.size <= PAGES_KEPT) return;
      if (!Array.isArray(page)) continue;
      for (const row of page) this.known.delete(row.digest);
      this.pages.delete(at);
    }
  }
}
