// Views with a name: chosen beside the filters, and named in the address for as long as they are what is shown.
import { keep, place, query } from "../shared/address.js";
import { h, link, offer, text } from "../shared/dom.js";
import { changing, naming, sql } from "./view_dialogs.js";
import { NOTHING } from "./filters.js";

/** Whether two filters show the same: what is missing is not filtered, and the order of classes, sets and limits says nothing. */
export function same(one, other) {
  const sorted = (value) => (Array.isArray(value) ? value.map((one) => JSON.stringify(one)).toSorted() : value);
  return Object.keys(NOTHING).every((part) => {
    const [a, b] = [one, other].map((filter) => JSON.stringify(sorted(filter[part] ?? NOTHING[part])));
    return a === b;
  });
}

export class SavedViews {
  #views = []; // each {name, words}
  #open = null; // the view that was chosen last, as it was saved: {name, filter, gone}

  constructor(review) {
    this.review = review;
    this.select = h("select", { "aria-label": "View", onchange: () => this.choose(this.select.value) });
    this.field = h("label", { class: "ss-field", hidden: true }, h("span", {}, "View"), this.select);
    this.edit = link("Edit view…", () => this.#edit(), { hidden: true });
    this.gone = h("p", { class: "ss-gone", role: "status" });
    this.element = h(
      "div",
      { class: "ss-views" },
      this.field,
      link("Save view…", () => this.#save()),
      this.edit,
      link("Show as SQL", () => this.#sql()),
    );
  }

  /** Take over which views there are. One that is open and was renamed or deleted elsewhere is open no longer. */
  offer(views) {
    this.#views = views;
    if (!views.some((one) => one.name === this.#open?.name)) this.#open = null;
    this.draw();
  }

  /** Show the view that the address names. Returns whether it named one that is there. */
  fromAddress() {
    const name = query().get("view");
    return name ? this.choose(name) : false;
  }

  /** Show a view by its name; '' shows all images. Returns whether there is one. */
  async choose(name) {
    const { api, view, status } = this.review;
    try {
      this.#open = name ? await api.insist("views/one", { name }) : null;
    } catch (error) {
      status.say(error.message);
      this.draw();
      return false;
    }
    view.words = "";
    await view.show({ ...NOTHING, ...this.#open?.filter });
    return true;
  }

  draw() {
    const { filter, seen, sentence } = this.review.view;
    if (!seen) return;
    const shown = this.#open && same(this.#open.filter, filter) ? this.#open.name : "";
    const nothing = this.#open && !shown ? `${this.#open.name}, changed` : "No view";
    offer(this.select, [["", nothing], ...this.#views.map(({ name }) => [name, name])]);
    [...this.select.options].slice(1).forEach((option, at) => (option.title = this.#views[at].words));
    this.select.value = shown;
    this.select.title = sentence;
    this.field.hidden = !this.#views.length;
    this.edit.hidden = !this.#open;
    text(this.gone, (shown && this.#open.gone) || "");
    if ((query().get("view") ?? "") !== shown) keep({ view: shown || null });
  }

  #save() {
    const { api, place: parent, project, view } = this.review,
      { filter } = view,
      before = this.#open?.name ?? "";
    naming(parent, view.sentence, before, async (name) => {
      const made = await api.say("views", { project, name, query: filter, replace: name.trim() === before });
      this.#open = { name: made.name, filter, gone: "" };
      this.offer(made.views);
    });
  }

  async #sql() {
    const { api, place: parent, status, store, view } = this.review;
    try {
      const found = await api.ask("filter/sql", { q: store.asked });
      sql(parent, view.sentence, found.sql);
    } catch (error) {
      status.say(error.message);
    }
  }

  #edit() {
    const { api, place: parent, project, status } = this.review,
      { name } = this.#open,
      { words } = this.#views.find((one) => one.name === name);
    changing(parent, { name, words, address: location.origin + place({ tab: "review", view: name }) }, {
      rename: async (wanted) => {
        const made = await api.say("views/rename", { project, name, new: wanted });
        this.#open.name = made.name;
        this.offer(made.views);
      },
      remove: async () => {
        this.offer((await api.say("views/delete", { project, name })).views);
        status.say(`The view “${name}” is deleted; its images stay.`);
      },
    });
  }
}
