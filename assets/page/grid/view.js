// Which images are shown: the filter and its answer, what an address asks for, and whether the list is out of date.
import { h } from "../shared/dom.js";
import { say } from "../shared/say.js";
import { NOTHING } from "./filters.js";
import { atMostOften } from "./pace.js";

export class View {
  filter = NOTHING;
  words = ""; // what the address said in words
  sentence = ""; // what the filter says in words
  last = 0; // the last decision that was heard of
  newest = 0; // the newest image that was heard of
  seen = null; // how far the list goes: {as_of: decision, upto: image}
  tags = []; // [tag, how many images have it]
  empty = h("div", { class: "ss-empty", hidden: true });
  #shown = null; // the filter of the list that is in sight
  #counts = {};
  #wish = "";

  constructor(review) {
    this.review = review;
    this.tally = atMostOften(async () => {
      review.causes.look();
      this.count(await review.api.insist("tally", { q: JSON.stringify(this.filter) }));
    });
  }

  /** Take over what a project offers to choose from. */
  open(overview) {
    this.targets = overview.targets;
    this.#offered(overview);
  }

  /** Show another view from its first image, or from the one that was current. */
  async show(filter, at = 0) {
    const { api, grid, place, selection, store } = this.review;
    this.filter = filter;
    const wish = (this.#wish = JSON.stringify(filter));
    place.classList.add("busy");
    let view;
    try {
      view = await api.insist("view", { q: wish });
    } catch (error) {
      if (wish === JSON.stringify(NOTHING)) throw error;
      const back = this.#shown ?? NOTHING;
      this.#shown = null;
      await this.show({ ...back });
      this.review.status.say(error.message);
      return;
    }
    if (wish !== this.#wish) return;
    place.classList.remove("busy");
    const { as_of: decision, upto: image, ...said } = view.query; // as the program says it: filters of before, too
    delete said.reading; // of now, as the other two
    this.filter = this.#shown = { ...filter, ...said };
    store.use(view.query, view.total);
    this.last = Math.max(this.last, decision);
    this.newest = image;
    this.seen = { as_of: decision, upto: image };
    selection.clear();
    this.sentence = view.words;
    this.count(view);
    grid.layout();
    grid.go(Math.min(at, Math.max(0, view.total - 1)));
    this.#emptiness();
    this.review.causes.look();
    this.review.saved.draw();
    this.review.words.show(this.filter.words);
    this.review.keep();
  }

  /** Show all images, those first that are most like this one. */
  similar(digest) {
    return this.show({ ...NOTHING, similar_to: digest, sort: "score_high" });
  }

  /** Show the images of this view by their likeness to words, those first that are most like them. */
  like(words) {
    const anew = { words, similar_to: "", scorer: "", low: null, high: null, sort: "score_high" };
    return this.show({ ...this.filter, ...anew });
  }

  refresh() {
    return this.show(this.filter, this.review.grid.current);
  }

  /** Show exactly the images that the address names (`only`, `fold`, `class`), once: from then on the filters are the
   * reader's. Else show the saved view that it names. Returns whether it named some. */
  only = async () => {
    const wanted = new URLSearchParams(location.search),
      what = wanted.get("only"),
      fold = wanted.get("fold"),
      labels = wanted.getAll("class");
    if (!what) return this.review.saved.fromAddress();
    for (const name of ["only", "fold", "class"]) wanted.delete(name);
    history.replaceState(history.state, "", `${location.pathname}?${wanted}`);
    try {
      const found = await this.review.api.insist("only", fold === null ? { what } : { what, fold });
      this.words = found.words;
      await this.show({ ...NOTHING, ...found.filter, labels });
      return true;
    } catch (error) {
      if (this.seen) this.review.status.say(error.message);
      else say(error.message);
      return false;
    }
  };

  /** Offer what there is to choose from by now. */
  offer = async () => {
    try {
      this.#offered(await this.review.api.insist("start"));
    } catch {
      /* the bar says that the server is away */
    }
  };

  /** Whether the list would look different if it were asked for again. */
  get stale() {
    return this.newest > this.seen.upto || (this.#filtersDecisions() && this.last > this.seen.as_of);
  }

  /** Show the class too, or no longer. */
  toggleClass(label) {
    const { labels } = this.filter;
    const others = labels.filter((one) => one !== label);
    this.show({ ...this.filter, labels: labels.includes(label) ? others : [...labels, label] });
  }

  /** How many images of a class are wanted. */
  async target(wanted) {
    const { api, project, status } = this.review;
    try {
      this.targets = (await api.say("target", { project, wanted })).targets;
    } catch (error) {
      status.say(`Not saved: ${error.message}`);
    }
    this.count({});
  }

  /** How much of what deciding can gain is decided, 0 to 1; nothing where no score says so. */
  get banked() {
    return this.#counts.banked;
  }

  /** Draw what is counted; what `counts` does not say stays. */
  count(counts) {
    const { classes, filters, status } = this.review;
    this.#counts = { ...this.#counts, ...counts };
    classes.show(this.#counts.classes, this.targets, this.filter.labels);
    filters.show(this.filter, this.#counts, this.words);
    status.draw();
  }

  #offered(overview) {
    this.tags = overview.tags;
    this.review.filters.offer(overview);
    this.review.saved.offer(overview.views);
  }

  #filtersDecisions() {
    const { standings, relabelled, labels, limits, sort } = this.filter;
    const tagged = limits.some(({ field }) => field === "tag");
    return Boolean(standings.length || relabelled || labels.length || tagged || sort === "decided");
  }

  #emptiness() {
    const nothing = this.review.store.total === 0;
    const none = this.newest === 0;
    this.empty.hidden = !nothing;
    this.review.grid.element.classList.toggle("ss-none", nothing);
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
}
