// The review tab: what a gesture does, and how the parts hear of each other.
import { Classes } from "./classes.js";
import { freezing, help, judging } from "./dialogs.js";
import { h, sleep } from "../shared/dom.js";
import { number } from "../shared/format.js";
import { say } from "../shared/say.js";
import { watch } from "../shared/state.js";
import { recall, remember } from "../shared/storage.js";
import { Drawer } from "./drawer.js";
import { Filters, NOTHING } from "./filters.js";
import { Grid } from "./grid.js";
import { listen } from "./keys.js";
import { Places } from "./places.js";
import { Preview } from "./preview.js";
import { Queue } from "./queue.js";
import { StatusBar } from "./status.js";
import { Store } from "./store.js";

const POLL = 1500;
const NAMED = 400;

export class Review {
  constructor(api, place, use) {
    Object.assign(this, { api, place, use, selection: new Places(), advance: true, last: 0, newest: 0, counts: null });
    this.store = new Store(api, () => this.#redraw());
    this.grid = new Grid(api, this.store, this.selection, {
      open: () => this.togglePreview(),
      move: (at) => this.#moved(at),
      select: () => this.#redraw(),
    });
    this.preview = new Preview(api, this.store, {
      step: (by) => this.step(by),
      decide: (verdict) => this.decide(verdict),
      undo: () => this.undo(),
    });
    this.drawer = new Drawer(api, { toggle: () => this.toggleDetails(), use });
    this.classes = new Classes({
      filter: (label) => this.#toggleClass(label),
      target: (wanted) => this.#setTarget(wanted),
    });
    this.filters = new Filters({ filter: (filter) => this.show(filter), tiles: (shown) => this.#scoreTiles(shown) });
    this.status = new StatusBar(this);
    api.onConnection = (online) => {
      if (online) this.grid.mend();
      this.#redraw();
    };
    this.redrawTally = this.#atMostOften(() => this.#tally());
  }

  async start() {
    const overview = await this.api.insist("start");
    this.#open(overview);
    this.empty = h("div", { class: "ss-empty", hidden: true });
    this.place.replaceChildren(
      this.classes.element,
      this.filters.element,
      h(
        "div",
        { class: "ss-middle" },
        h("div", { class: "ss-stage" }, this.grid.element, this.empty),
        this.drawer.element,
      ),
      this.status.element,
      this.preview.element,
    );
    this.place.removeAttribute("aria-busy");
    const kept = recall(this.key, {});
    this.advance = kept.advance ?? true;
    this.grid.size = kept.size ?? 128;
    this.drawer.element.hidden = innerWidth <= 700 || !(kept.details ?? innerWidth > 1100);
    this.grid.scored = this.filters.tiles.checked = kept.scored ?? false;
    this.words = kept.words ?? "";
    if (!(await this.#only())) await this.show({ ...NOTHING, ...kept.filter }, kept.at ?? 0);
    window.addEventListener("studio:review", this.#only);
    window.addEventListener("studio:lists", this.#offer); // a run has ended: new scores, sets, names
    this.queue.start();
    this.unlisten = listen(this.place, this.#gestures());
    this.fitting = new ResizeObserver(() => this.#fit());
    this.fitting.observe(this.place.parentElement);
    window.addEventListener("resize", this.#fit);
    window.addEventListener("studio:state", this.#fit); // the bar above comes and goes
    this.#fit();
    this.#poll();
  }

  get key() {
    return `synthstudio.review.view.${this.project}`;
  }

  #open(overview) {
    this.queue?.close();
    this.project = overview.project;
    this.targets = overview.targets;
    this.filters.offer(overview);
    this.queue = new Queue(this.api, this.project, (news) => this.#heard(news));
  }

  // ---- what is shown

  /** Show another view from its first image, or from the one that was current. */
  async show(filter, at = 0) {
    this.filter = filter;
    const wish = (this.wish = JSON.stringify(filter));
    this.place.classList.add("busy");
    let view;
    try {
      view = await this.api.insist("view", { q: wish });
    } catch (error) {
      if (wish === JSON.stringify(NOTHING)) throw error;
      return this.show({ ...NOTHING });
    }
    if (wish !== this.wish) return undefined;
    this.place.classList.remove("busy");
    this.store.use(view.query, view.total);
    this.last = Math.max(this.last, view.query.as_of);
    this.newest = view.query.upto;
    this.seen = { as_of: view.query.as_of, upto: view.query.upto };
    this.selection.clear();
    this.#count(view);
    this.grid.layout();
    this.grid.go(Math.min(at, Math.max(0, view.total - 1)));
    this.#emptiness();
    this.#keep();
    return undefined;
  }

  /** Show exactly the images that the address names (`only`, `fold`, `class`), once: from then on the filters are the
   * reader's. Returns whether it named some. */
  #only = async () => {
    const wanted = new URLSearchParams(location.search),
      what = wanted.get("only"),
      fold = wanted.get("fold"),
      labels = wanted.getAll("class");
    if (!what) return false;
    for (const name of ["only", "fold", "class"]) wanted.delete(name);
    history.replaceState(history.state, "", `${location.pathname}?${wanted}`);
    try {
      const found = await this.api.insist("only", fold === null ? { what } : { what, fold });
      this.words = found.words;
      await this.show({ ...NOTHING, ...found.filter, labels });
      return true;
    } catch (error) {
      if (this.seen) this.status.say(error.message);
      else say(error.message);
      return false;
    }
  };

  #offer = async () => {
    try {
      this.filters.offer(await this.api.insist("start"));
    } catch {
      /* the bar says that the server is away */
    }
  };

  refresh() {
    return this.show(this.filter, this.grid.current);
  }

  /** Whether the list would look different if it were asked for again. */
  get stale() {
    return this.newest > this.seen.upto || (this.#filtersDecisions() && this.last > this.seen.as_of);
  }

  #filtersDecisions() {
    return Boolean(
      this.filter.standings.length ||
      this.filter.relabelled ||
      this.filter.labels.length ||
      this.filter.sort === "decided",
    );
  }

  #count(counts) {
    this.counts = { ...this.counts, ...counts };
    this.classes.show(this.counts.classes, this.targets, this.filter.labels);
    this.filters.show(this.filter, this.counts, this.words);
    this.status.draw();
  }

  #emptiness() {
    const nothing = this.store.total === 0;
    const none = this.newest === 0;
    this.empty.hidden = !nothing;
    this.grid.element.classList.toggle("ss-none", nothing);
    this.empty.replaceChildren(
      h("strong", {}, none ? "No images yet" : "Nothing matches these filters"),
      h(
        "p",
        {},
        none
          ? "Import photos under Data, or make images under Sample; they appear here by themselves."
          : "Clear a filter to see more.",
      ),
    );
  }

  /** As tall as the window leaves room for: the grid scrolls, the page does not. */
  #fit = () => {
    const top = this.place.getBoundingClientRect().top + scrollY;
    this.place.style.height = `${Math.max(innerWidth <= 700 ? 640 : 420, innerHeight - top - 14)}px`;
  };

  #keep() {
    remember(this.key, {
      filter: this.filter,
      at: this.grid.current,
      size: this.grid.size,
      advance: this.advance,
      details: this.drawer.isOpen,
      scored: this.grid.scored,
      words: this.words,
    });
  }

  #scoreTiles(shown) {
    this.grid.scored = shown;
    this.grid.draw();
    this.#keep();
  }

  #redraw() {
    this.grid.draw();
    this.status.draw();
    if (this.preview.isOpen) this.preview.show(this.grid.current);
  }

  #moved(at) {
    this.preview.show(at);
    const row = this.store.row(at);
    if (row) this.drawer.show(row.digest);
    else
      this.store.rowWhenThere(at).then((found) => {
        if (found && at === this.grid.current) this.drawer.show(found.digest);
      });
    this.status.draw();
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => this.#keep(), 300);
  }

  // ---- gestures

  #gestures() {
    const during =
      (work) =>
      (...given) => {
        if (!this.preview.isOpen) return work(...given);
        return undefined;
      };
    return {
      decide: (verdict) => this.decide(verdict),
      move: (key) => this.#moveTo(this.classes.keys.get(key)),
      undo: () => this.undo(),
      redo: () => this.redo(),
      step: (by, extend) => this.step(by, extend),
      row: during((by, extend) => this.step(by * this.grid.columns, extend)),
      leap: during((by) => this.grid.go(this.grid.current + by * this.grid.leap)),
      jump: (to) => this.grid.go(to < 0 ? 0 : this.store.total - 1),
      preview: () => this.togglePreview(),
      zoom: (way) => this.preview.zoom(way),
      details: () => this.toggleDetails(),
      all: during(() => this.selectAll()),
      escape: () => this.escape(),
      refresh: () => {
        this.refresh();
      },
      advance: () => this.toggleAdvance(),
      help: () => help(this.place),
    };
  }

  step(by, extend = false) {
    const from = this.grid.current;
    this.grid.go(from + by);
    if (extend) {
      this.selection.add(from, this.grid.current);
      this.#redraw();
    }
  }

  togglePreview() {
    if (this.preview.isOpen) {
      this.preview.close();
      this.grid.draw();
    } else if (this.store.total) {
      this.preview.place = this.grid.current;
      this.preview.open();
    }
  }

  toggleDetails() {
    this.drawer.element.hidden = !this.drawer.element.hidden;
    this.drawer.digest = "";
    this.#moved(this.grid.current);
    this.#keep();
  }

  toggleAdvance() {
    this.advance = !this.advance;
    this.#keep();
    this.status.draw();
  }
  selectAll() {
    if (this.store.total) {
      this.selection.add(0, this.store.total - 1);
      this.#redraw();
    }
  }
  escape() {
    if (this.preview.isOpen) this.togglePreview();
    else {
      this.selection.clear();
      this.#redraw();
    }
  }
  resize(size) {
    this.grid.size = size;
    this.grid.layout();
    this.#keep();
  }

  #moveTo(label) {
    if (label !== undefined) this.decide("relabel", label);
  }
  moveTo(label) {
    this.#moveTo(label);
  }

  /** Keep, reject, clear or move the selection, or the current image if nothing is selected. */
  decide(verdict, label = "") {
    if (!this.store.total) return;
    const act = {
      verdict,
      ...(verdict === "relabel" && { label }),
      run: this.filter.run,
      image_set: this.filter.image_set,
    };
    if (this.selection.size && !this.preview.isOpen) {
      this.#decideMany(act);
      return;
    }
    const row = this.store.row(this.grid.current);
    if (!row) return; // not here yet: nobody can have seen it
    this.#add(act, [row]);
    if (this.advance) this.step(1);
    else this.#redraw();
  }

  #decideMany(act) {
    const places = this.selection.size <= NAMED ? [...this.selection] : [];
    const rows = places.map((place) => this.store.row(place));
    if (places.length && rows.every(Boolean)) this.#add(act, rows);
    else this.queue.add({ ...act, query: this.store.query, spans: this.selection.spans });
    this.#redraw();
  }

  #add(act, rows) {
    this.queue.add(
      { ...act, images: rows.map((row) => row.digest) },
      rows.map((row) => {
        const { verdict, label, moved } = this.store.shown(row);
        return [row.digest, verdict || "clear", moved ? label : ""];
      }),
    );
  }

  undo() {
    this.#turned(this.queue.undo(), "Nothing to undo.");
  }
  redo() {
    this.#turned(this.queue.redo(), "Nothing to do again.");
  }

  /** After an undo of one image, that image is the current one again. */
  #turned(states, otherwise) {
    if (!states) {
      this.status.say(otherwise);
      return;
    }
    const place = states.length === 1 ? this.store.placeOf(states[0][0]) : -1;
    if (place >= 0) this.grid.go(place);
    else this.#redraw();
  }

  async freeze() {
    if (this.queue.waiting.length) {
      this.status.say("Wait until all decisions are saved.");
      return;
    }
    const { labels, origins, run, image_set, image_sets, scorer, low, high } = this.filter;
    const filter = { ...NOTHING, labels, origins, run, image_set, image_sets, scorer, low, high };
    const frozen = (query, name, spans = []) => this.api.say("freeze", { project: this.project, query, spans, name });
    const view = (standings) => this.api.insist("view", { q: JSON.stringify({ ...filter, standings }) });
    const views = await Promise.all([["accepted"], ["accepted", "pending"]].map(view));
    const judge = (made) => this.judge(made.image_set);
    freezing(
      this.place,
      [
        ["Accepted images", views[0].total, (name) => frozen(views[0].query, name)],
        ["Everything that is not rejected", views[1].total, (name) => frozen(views[1].query, name)],
        // The classes of a hand-made selection are those of now, not those of when the list was made.
        ["The selected images", this.selection.size, (name) => frozen(this.store.query, name, this.selection.spans)],
      ],
      judge,
    );
  }

  /** Ask which selection to judge. */
  async helped() {
    if (this.queue.waiting.length) {
      this.status.say("Wait until all decisions are saved.");
      return;
    }
    const { selections } = await this.api.insist("selections");
    judging(this.place, selections, (name) => this.judge(name));
  }

  /** Ask what a selection was worth ('': what is accepted now) and show how it goes; throws the reason of a refusal. */
  async judge(name) {
    const { pipeline } = await this.api.say("helped", { project: this.project, name });
    watch(pipeline);
  }

  help() {
    help(this.place);
  }

  #toggleClass(label) {
    const labels = this.filter.labels.includes(label)
      ? this.filter.labels.filter((one) => one !== label)
      : [...this.filter.labels, label];
    this.show({ ...this.filter, labels });
  }

  async #setTarget(wanted) {
    try {
      this.targets = (await this.api.say("target", { project: this.project, wanted })).targets;
    } catch (error) {
      this.status.say(`Not saved: ${error.message}`);
    }
    this.#count({});
  }

  // ---- news

  #heard({ type, act, batch, answer, error }) {
    const ids = batch?.map((one) => one.id);
    if (type === "queued") this.store.expect(act.id, act.shows);
    if (type === "failing") this.store.problem(ids, error);
    if (type === "refused") {
      this.store.settle(ids);
      this.status.say(`Refused: ${error}`);
    }
    if (type === "stored") {
      this.store.settle(ids);
      this.store.learn(answer.rows);
      if (answer.reset) this.store.refresh();
      const kept = answer.outcomes.reduce((sum, one) => sum + one.kept_elsewhere, 0);
      if (kept) this.status.say(`${number(kept)} decided elsewhere since: left as they are.`);
      this.redrawTally();
      const row = this.store.row(this.grid.current);
      if (row && answer.rows.some(([digest]) => digest === row.digest)) this.drawer.show(row.digest, true);
    }
    this.#redraw();
  }

  async #tally() {
    const counts = await this.api.insist("tally", { q: JSON.stringify(this.filter) });
    this.#count(counts);
  }

  /** Run again and again as news come, but never more than a quarter of the time. */
  #atMostOften(work) {
    let busy = false,
      again = false;
    const run = async () => {
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      const started = performance.now();
      try {
        await work();
      } catch {
        /* the next news asks again */
      }
      await sleep(Math.max(250, 3 * (performance.now() - started)));
      busy = false;
      if (again) {
        again = false;
        run();
      }
    };
    return run;
  }

  /** See what other tabs and runs have done. Never ends while the tab is there; waits longer while nobody looks. */
  async #poll() {
    while (this.place.isConnected) {
      if (!document.hidden && this.place.offsetParent !== null) {
        try {
          await this.#news(await this.api.ask("changes", { since: this.last }));
        } catch {
          /* the connection line says so */
        }
      }
      await sleep(POLL);
    }
    this.unlisten();
    this.fitting.disconnect();
    window.removeEventListener("resize", this.#fit);
    window.removeEventListener("studio:state", this.#fit);
    window.removeEventListener("studio:review", this.#only);
    window.removeEventListener("studio:lists", this.#offer);
    this.grid.close();
    this.queue.close();
  }

  async #news(news) {
    if (news.project !== this.project) {
      this.last = this.newest = 0;
      this.#open(await this.api.insist("start"));
      await this.show({ ...NOTHING });
      this.queue.start();
      return;
    }
    const decided = news.last > this.last,
      arrived = news.newest > this.newest;
    this.last = Math.max(this.last, news.last);
    if (news.reset) this.store.refresh();
    else if (news.rows.length) this.store.learn(news.rows);
    if (arrived) {
      this.newest = news.newest;
      await this.#offer();
      if (this.store.total === 0) {
        await this.refresh();
        return;
      }
    }
    if (decided || arrived) this.redrawTally();
  }
}
