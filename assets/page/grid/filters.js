// Filters and order, each with the number of images it would show.
import { h } from "../shared/dom.js";
import { many, number } from "../shared/format.js";
import { Chips, taken } from "./chips.js";
import { Narrowing, alike } from "./narrowing.js";
import { orderOf, ordered, orders } from "./orders.js";

const STANDINGS = [
  ["", "All"],
  ["pending", "Pending"],
  ["accepted", "Accepted"],
  ["rejected", "Rejected"],
  ["relabelled", "Moved"],
];
const ORIGINS = [
  ["", "All"],
  ["real", "Real"],
  ["synthetic", "Synthetic"],
  ["distilled", "Distilled"],
];
export const NOTHING = {
  labels: [],
  origins: [],
  standings: [],
  relabelled: false,
  run: "",
  image_set: "",
  image_sets: [],
  scorer: "",
  similar_to: "",
  words: "",
  low: null,
  high: null,
  limits: [],
  sort: "arrival",
};

export class Filters {
  /** `on.filter` hears of another filter, `on.tiles` whether tiles show the chosen score; `on.thumb` says where the
   * small picture of an image is, `on.ask` asks about the view. */
  constructor(on) {
    this.on = on;
    this.scales = {};
    this.filter = { ...NOTHING };
    this.standing = this.#segments("Decision", STANDINGS, (value) =>
      this.#change({
        standings: value && value !== "relabelled" ? [value] : [],
        relabelled: value === "relabelled",
      }),
    );
    this.origin = this.#segments("Origin", ORIGINS, (value) => this.#change({ origins: value ? [value] : [] }));
    this.run = this.#select("Run", (run) => this.#change({ run }));
    this.set = this.#select("Frozen set", (image_set) => this.#change({ image_set }));
    this.scorer = this.#select("Score", (scorer) => {
      this.narrowing.open(scorer && `score:${scorer}`);
      this.#change({ scorer, similar_to: "", words: "", low: null, high: null });
    });
    this.sort = this.#select("Order", (sort) => this.#change(ordered(sort, this.filter, this.scales)));
    this.narrowing = new Narrowing({ ask: on.ask, change: (part) => this.#change(part) });
    this.chips = new Chips({
      open: (part) => this.#open(part),
      take: (part) => this.#change(taken(this.filter, part)),
    });
    this.tiles = h("input", { type: "checkbox", onchange: () => on.tiles(this.tiles.checked) });
    this.onTiles = h(
      "label",
      { class: "ss-check", hidden: true, title: "Write the chosen score under every image" },
      this.tiles,
      "Scores on tiles",
    );
    this.only = h("button", {
      type: "button",
      class: "ss-only",
      hidden: true,
      onclick: () => this.#change({ image_sets: [] }),
    });
    this.like = h("button", {
      type: "button",
      class: "ss-only",
      hidden: true,
      onclick: () => this.#change({ similar_to: "", words: "", low: null, high: null }),
    });
    this.clear = h(
      "button",
      {
        type: "button",
        class: "ss-link",
        onclick: () => this.#change({ ...NOTHING, sort: this.filter.sort }),
      },
      "Clear filters",
    );
    this.more = h(
      "details",
      { class: "ss-more", ontoggle: () => this.narrowing.look() },
      h("summary", {}, "+ Filter"),
      h(
        "div",
        { class: "ss-more-body" },
        this.origin,
        this.run.parentElement,
        this.set.parentElement,
        this.scorer.parentElement,
        this.onTiles,
        this.narrowing.element,
        this.narrowing.place,
      ),
    );
    this.element = h("div", { class: "ss-filters" }, this.standing, this.sort.parentElement, this.more);
    this.narrowed = h(
      "div",
      { class: "ss-narrowed", hidden: true },
      this.only,
      this.like,
      this.chips.element,
      this.clear,
    );
  }

  /** What can be chosen: runs, sets, scorers and what they say of themselves, fields. */
  offer({ runs, sets, scorers, scales, fields }) {
    this.narrowing.offer(fields, scorers, scales);
    this.runs = runs;
    this.scales = scales;
    this.#options(this.run, [
      ["", "All runs"],
      ...runs.map((run) => [run.id, `${run.kind} · ${when(run.created)} · ${number(run.images)}`]),
    ]);
    this.#options(this.set, [
      ["", "No set"],
      ...sets.map((one) => [one.id, `${one.role} · ${many(one.size, "image")} · ${when(one.created)}`]),
    ]);
    this.#options(this.scorer, [["", "No score"], ...scorers.map((name) => [name, name.replaceAll("_", " ")])]);
    for (const [select, list] of [
      [this.run, runs],
      [this.set, sets],
      [this.scorer, scorers],
    ])
      select.parentElement.hidden = !list.length;
  }

  /** Show a filter, what it was opened on in words, and the counts beside its choices. */
  show(filter, counts, words = "") {
    this.filter = filter;
    this.only.hidden = !filter.image_sets.length;
    this.only.replaceChildren(`Only ${words || "chosen sets"} `, h("span", { "aria-hidden": "true" }, "✕"));
    this.only.setAttribute("aria-label", `Only ${words || "chosen sets"}: show all images again`);
    this.#showLike(filter);
    const scored = Boolean(filter.scorer || alike(filter));
    this.onTiles.hidden = !scored;
    const standing = filter.relabelled ? "relabelled" : (filter.standings[0] ?? "");
    this.#press(this.standing, standing, {
      ...counts.standings,
      "": sum(counts.standings) - (counts.standings.relabelled ?? 0),
    });
    this.#press(this.origin, filter.origins[0] ?? "", { ...counts.origins, "": sum(counts.origins) });
    this.#options(this.sort, orders(filter, this.scales));
    for (const [select, value] of [
      [this.run, filter.run],
      [this.set, filter.image_set],
      [this.scorer, filter.scorer],
      [this.sort, orderOf(filter, this.scales)],
    ])
      select.value = value;
    const chips = counts.chips ?? [];
    this.chips.show(chips);
    this.narrowed.hidden = !(chips.length || filter.image_sets.length || alike(filter));
    this.narrowing.show(filter);
  }

  /** What the view is ordered by the likeness to, if it is. */
  #showLike(filter) {
    const { similar_to: image, words } = filter;
    this.like.hidden = !alike(filter);
    this.like.setAttribute("aria-label", `Most similar to ${image ? "one image" : words}: show all images again`);
    this.like.replaceChildren(
      "Most similar to ",
      image ? h("img", { src: this.on.thumb(image), alt: "" }) : h("span", { class: "ss-words" }, `“${words}”`),
      h("span", { "aria-hidden": "true" }, " ✕"),
    );
  }

  /** Show where a filter can be changed. */
  #open(part) {
    const always = { standings: () => this.standing.firstChild.focus(), labels: this.on.classes };
    if (part in always) return always[part]();
    this.more.open = true;
    const own = { origins: this.origin.firstChild, run: this.run, image_set: this.set }[part];
    return own ? own.focus() : this.narrowing.open(part);
  }

  #change(part) {
    const filter = { ...this.filter, ...part };
    if (!filter.scorer && !alike(filter) && filter.sort.startsWith("score")) filter.sort = "arrival";
    this.on.filter(filter);
  }

  #segments(name, choices, chosen) {
    return h(
      "div",
      { class: "ss-segments", role: "group", "aria-label": name },
      choices.map(([value, text]) =>
        h(
          "button",
          { type: "button", "data-value": value, "aria-pressed": "false", onclick: () => chosen(value) },
          text,
          h("span", { class: "ss-count" }),
        ),
      ),
    );
  }

  #press(segments, value, counts) {
    for (const button of segments.children) {
      const own = button.dataset.value,
        count = counts[own] ?? 0;
      button.setAttribute("aria-pressed", String(own === value));
      button.lastChild.textContent = ` ${number(count)}`;
      button.hidden = !count && own !== value && ["distilled", "real", "synthetic"].includes(own);
    }
  }

  #select(name, chosen) {
    const select = h("select", { "aria-label": name, onchange: () => chosen(select.value) });
    h("label", { class: "ss-field" }, h("span", {}, name), select);
    return select;
  }

  #options(select, choices) {
    const looks = JSON.stringify(choices);
    if (select.dataset.looks === looks) return;
    select.dataset.looks = looks;
    const value = select.value;
    select.replaceChildren(...choices.map(([own, text]) => h("option", { value: own }, text)));
    if (choices.some(([own]) => own === value)) select.value = value;
  }
}

const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
const when = (seconds) =>
  new Date(seconds * 1000).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
