// Filters and order, each with the number of images it would show.
import { h } from "../shared/dom.js";
import { many, number } from "../shared/format.js";
import { orderOf, ordered, orders } from "./orders.js";
import { Range } from "./range.js";

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
  low: null,
  high: null,
  sort: "arrival",
};

export class Filters {
  /** `on.filter` hears of another filter, `on.tiles` whether tiles show the chosen score; `on.thumb` says where the
   * small picture of an image is. */
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
    this.scorer = this.#select("Score", (scorer) =>
      this.#change({ scorer, similar_to: "", low: null, high: null }),
    );
    this.sort = this.#select("Order", (sort) => this.#change(ordered(sort, this.filter, this.scales)));
    this.range = new Range((part) => this.#change(part));
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
      "aria-label": "Most similar to one image: show all images again",
      onclick: () => this.#change({ similar_to: "", low: null, high: null }),
    });
    this.clear = h(
      "button",
      {
        type: "button",
        class: "ss-link",
        hidden: true,
        onclick: () => this.#change({ ...NOTHING, sort: this.filter.sort }),
      },
      "Clear filters",
    );
    this.summary = h("summary", {}, "Filters");
    this.more = h(
      "details",
      { class: "ss-more" },
      this.summary,
      h(
        "div",
        { class: "ss-more-body" },
        this.origin,
        this.run.parentElement,
        this.set.parentElement,
        this.scorer.parentElement,
        this.onTiles,
        this.range.element,
      ),
    );
    this.element = h(
      "div",
      { class: "ss-filters" },
      this.standing,
      this.sort.parentElement,
      this.more,
      this.only,
      this.like,
      this.clear,
    );
  }

  /** What can be chosen: runs, sets, scorers. */
  offer({ runs, sets, scorers, scales }) {
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
    this.like.hidden = !filter.similar_to;
    if (filter.similar_to)
      this.like.replaceChildren(
        "Most similar to ",
        h("img", { src: this.on.thumb(filter.similar_to), alt: "" }),
        h("span", { "aria-hidden": "true" }, " ✕"),
      );
    const scored = Boolean(filter.scorer || filter.similar_to);
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
    const chosen = [filter.origins.length, filter.run, filter.image_set, filter.image_sets.length, scored];
    const set = chosen.filter(Boolean).length;
    this.summary.textContent = set ? `Filters (${set})` : "Filters";
    this.clear.hidden = !(set || filter.labels.length || filter.standings.length || filter.relabelled);
    const says = this.scales[filter.scorer]?.says ?? "";
    this.range.show(filter.scorer || (scored && "similarity"), scored ? counts.histogram : null, filter, says);
  }

  #change(part) {
    const filter = { ...this.filter, ...part };
    if (!filter.scorer && !filter.similar_to && filter.sort.startsWith("score")) filter.sort = "arrival";
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
