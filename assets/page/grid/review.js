// The review tab: its parts, and how they hear of each other.
import { Causes } from "./causes.js";
import { Classes } from "./classes.js";
import { Deciding } from "./deciding.js";
import { help } from "./dialogs.js";
import { h } from "../shared/dom.js";
import { recall, remember } from "../shared/storage.js";
import { Drawer } from "./drawer.js";
import { Filters, NOTHING } from "./filters.js";
import { Grid } from "./grid.js";
import { Layout } from "./layout.js";
import { listen } from "./keys.js";
import { follow } from "./news.js";
import { Places } from "./places.js";
import { Preview } from "./preview.js";
import { Queue } from "./queue.js";
import { SavedViews } from "./saved_views.js";
import { freeze, helped } from "./selections.js";
import { StatusBar } from "./status.js";
import { Store } from "./store.js";
import { tagging } from "./tags.js";
import { View } from "./view.js";
import { Words } from "./words.js";

export class Review {
  constructor(api, place, use) {
    Object.assign(this, { api, place, use, selection: new Places(), advance: true });
    this.store = new Store(api, () => this.redraw());
    this.view = new View(this);
    this.deciding = new Deciding(this);
    this.grid = new Grid(api, this.store, this.selection, {
      open: () => this.togglePreview(),
      move: (at) => this.#moved(at),
      select: () => this.redraw(),
    });
    this.preview = new Preview(api, this.store, {
      step: (by) => this.step(by),
      decide: (verdict) => this.deciding.decide(verdict),
      undo: () => this.deciding.undo(),
    });
    this.causes = new Causes(this);
    this.drawer = new Drawer(
      api,
      {
        toggle: () => this.toggleDetails(),
        similar: (digest) => this.view.similar(digest),
        untag: (digest, tag) => this.deciding.untag(digest, tag),
        tag: () => this.tag(),
        use,
      },
      this.causes.element,
    );
    this.classes = new Classes({
      filter: (label) => this.view.toggleClass(label),
      target: (wanted) => this.view.target(wanted),
    });
    this.filters = new Filters({
      filter: (filter) => this.view.show(filter),
      tiles: (shown) => this.#scoreTiles(shown),
      thumb: (digest) => this.api.thumb(digest, 96),
      classes: () => this.classes.chips.firstChild?.focus(),
      ask: (path, more, part) => this.api.ask(path, { ...more, q: JSON.stringify({ ...this.store.query, ...part }) }),
    });
    this.layout = new Layout(this);
    this.filters.element.prepend(this.layout.element);
    this.words = new Words(this);
    this.filters.more.before(this.words.element);
    this.saved = new SavedViews(this);
    this.filters.element.append(this.saved.element, this.saved.gone);
    this.status = new StatusBar(this);
    api.onConnection = (online) => {
      if (online) this.grid.mend();
      this.redraw();
    };
  }

  async start() {
    this.open(await this.api.insist("start"));
    this.place.replaceChildren(
      this.classes.element,
      this.filters.element,
      this.filters.narrowed,
      h(
        "div",
        { class: "ss-middle" },
        h("div", { class: "ss-stage" }, this.grid.element, this.layout.place, this.view.empty),
        this.drawer.element,
      ),
      this.status.element,
      this.preview.element,
    );
    this.place.removeAttribute("aria-busy");
    const kept = this.#recall();
    if (!(await this.view.only())) await this.view.show({ ...NOTHING, ...kept.filter }, kept.at ?? 0);
    this.queue.start();
    if (kept.map) this.layout.show(true);
    const deaf = this.#hear();
    this.#fit();
    follow(this).then(() => {
      deaf();
      this.grid.close();
      this.queue.close();
    });
  }

  /** Begin with a project, as the server shows it. */
  open(overview) {
    this.queue?.close();
    this.project = overview.project;
    this.view.open(overview);
    this.queue = new Queue(this.api, this.project, (news) => this.deciding.heard(news));
  }

  // ---- what is kept for the next visit

  get key() {
    return `synthstudio.review.view.${this.project}`;
  }

  #recall() {
    const kept = recall(this.key, {});
    this.advance = kept.advance ?? true;
    this.grid.size = kept.size ?? 128;
    this.drawer.element.hidden = innerWidth <= 700 || !(kept.details ?? innerWidth > 1100);
    this.grid.scored = this.filters.tiles.checked = kept.scored ?? false;
    this.view.words = kept.words ?? "";
    return kept;
  }

  keep() {
    remember(this.key, {
      filter: this.view.filter,
      at: this.grid.current,
      size: this.grid.size,
      advance: this.advance,
      details: this.drawer.isOpen,
      scored: this.grid.scored,
      words: this.view.words,
      map: this.layout.isMap,
    });
  }

  // ---- what is heard

  /** Listen to keys and window; returns a function that stops. */
  #hear() {
    const heard = {
      "studio:review": this.view.only,
      "studio:lists": this.view.offer, // a run has ended: new scores, sets, names
      "studio:state": this.#fit, // the bar above comes and goes
      resize: this.#fit,
    };
    for (const [name, work] of Object.entries(heard)) window.addEventListener(name, work);
    const unlisten = listen(this.place, this.#gestures());
    const fitting = new ResizeObserver(() => this.#fit());
    fitting.observe(this.place.parentElement);
    for (const part of [this.words.element, this.filters.more, this.filters.narrowed]) fitting.observe(part);
    return () => {
      unlisten();
      fitting.disconnect();
      for (const [name, work] of Object.entries(heard)) window.removeEventListener(name, work);
    };
  }

  #gestures() {
    const during =
      (work) =>
      (...given) => {
        if (!this.preview.isOpen) return work(...given);
        return undefined;
      };
    return {
      decide: (verdict) => this.deciding.decide(verdict),
      move: (key) => this.deciding.moveTo(this.classes.keys.get(key)),
      undo: () => this.deciding.undo(),
      redo: () => this.deciding.redo(),
      step: (by, extend) => this.step(by, extend),
      row: during((by, extend) => this.step(by * this.grid.columns, extend)),
      leap: during((by) => this.grid.go(this.grid.current + by * this.grid.leap)),
      jump: (to) => this.grid.go(to < 0 ? 0 : this.store.total - 1),
      preview: () => this.togglePreview(),
      zoom: (way) => this.preview.zoom(way),
      details: () => this.toggleDetails(),
      similar: during(() => this.similar()),
      words: during(() => this.words.ask()),
      all: during(() => this.selectAll()),
      escape: () => this.escape(),
      refresh: () => {
        this.view.refresh();
      },
      tag: during(() => this.tag()),
      advance: () => this.toggleAdvance(),
      help: () => this.help(),
    };
  }

  // ---- gestures that move through the images, or change how they are shown

  step(by, extend = false) {
    const from = this.grid.current;
    this.grid.go(from + by);
    if (extend) {
      this.selection.add(from, this.grid.current);
      this.redraw();
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
    this.keep();
  }

  showCauses() {
    if (!this.drawer.isOpen) this.toggleDetails();
    this.drawer.element.scrollTop = 0;
  }

  similar() {
    const row = this.store.row(this.grid.current);
    if (row) this.view.similar(row.digest);
  }

  toggleAdvance() {
    this.advance = !this.advance;
    this.keep();
    this.status.draw();
  }

  /** Ask for tags, for what is selected or for the current image. */
  tag() {
    const { deciding, place, selection, store, view } = this;
    if (store.total) tagging(place, selection.size || 1, view.tags, (tags, off) => deciding.tag(tags, off));
  }

  selectAll() {
    if (this.store.total) {
      this.selection.add(0, this.store.total - 1);
      this.redraw();
    }
  }

  escape() {
    if (this.preview.isOpen) this.togglePreview();
    else {
      this.selection.clear();
      this.redraw();
    }
  }

  resize(size) {
    this.grid.size = size;
    this.grid.layout();
    this.keep();
  }

  freeze() {
    return freeze(this);
  }

  helped() {
    return helped(this);
  }

  help() {
    help(this.place);
  }

  // ---- drawing

  redraw() {
    this.grid.draw();
    this.layout.draw();
    this.status.draw();
    if (this.preview.isOpen) this.preview.show(this.grid.current);
  }

  /** As tall as the window leaves room for: the grid scrolls, the page does not. */
  #fit = () => {
    const top = this.place.getBoundingClientRect().top + scrollY;
    const { more, narrowed } = this.filters,
      changing = more.offsetHeight + narrowed.offsetHeight + this.words.element.offsetHeight;
    const phone = changing + (this.layout.isMap ? 860 : 600);
    this.place.style.height = `${Math.max(innerWidth > 700 ? 420 : phone, innerHeight - top - 14)}px`;
  };

  #scoreTiles(shown) {
    this.grid.scored = shown;
    this.grid.draw();
    this.keep();
  }

  #moved(at) {
    this.preview.show(at);
    this.layout.draw();
    const row = this.store.row(at);
    if (row) this.drawer.show(row.digest);
    else
      this.store.rowWhenThere(at).then((found) => {
        if (found && at === this.grid.current) this.drawer.show(found.digest);
      });
    this.status.draw();
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => this.keep(), 300);
  }
}
