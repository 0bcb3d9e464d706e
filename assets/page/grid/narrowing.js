// "+ Filter": one field at a time, how its values are spread over the view, and which of them stay.
import { h, link, offer, render } from "../shared/dom.js";
import { number } from "../shared/format.js";
import { atMostOften } from "./pace.js";
import { Range } from "./range.js";

const SCORE = "score:";
const LIKENESS = "likeness";
const MANY = 12; // values in sight without looking for one

/** A filter's limits with this one in the place of others on its field; without any where it limits nothing. */
export function limited(limits, limit) {
  const others = limits.filter((one) => one.field !== limit.field);
  const { low = null, high = null, any_of: some = [], contains = "" } = limit;
  return low !== null || high !== null || some.length || contains ? [...others, limit] : others;
}

/** The image or the words that a filter orders images by the likeness to; '' if it does not. */
export const alike = (filter) => filter?.similar_to || filter?.words || "";

export class Narrowing {
  field = ""; // what is open

  /** `on.ask(path, parameters, part)` asks about the view with a part of its filter changed; `on.change(part)` changes it. */
  constructor(on) {
    this.on = on;
    this.select = h("select", { "aria-label": "Filter by", onchange: () => this.open(this.select.value) });
    this.place = h("div", { class: "ss-narrowing" });
    this.range = new Range({
      choose: (range) => on.change(this.#ranged(range)),
      slide: (range) => {
        this.sliding = range;
        this.#count();
      },
    });
    this.element = h("label", { class: "ss-field" }, h("span", {}, "Filter by"), this.select);
  }

  /** What there is to filter by: fields of images, and what scorers said; `scales` says what their numbers mean. */
  offer(fields, scorers, scales) {
    this.scales = scales;
    this.words = new Map(fields.map(({ field, words }) => [field, words]));
    this.kinds = new Map(fields.map(({ field, kind }) => [field, kind]));
    this.scores = scorers.map((name) => [SCORE + name, this.called(SCORE + name)]);
    this.#offer();
  }

  #offer() {
    const likeness = alike(this.filter)
      ? [[LIKENESS, this.filter.similar_to ? "likeness to one image" : "likeness to words"]]
      : [];
    offer(this.select, [["", "a field or a score…"], ...likeness, ...this.scores, ...this.words]);
    this.select.value = this.field;
  }

  called(field) {
    return this.words.get(field) ?? field.replace(SCORE, "").replaceAll("_", " ");
  }

  /** Show what can be asked of a field; '' shows nothing. */
  open(field) {
    this.field = this.select.value = field;
    if (field) this.look();
    else render(this.place, "", () => []);
  }

  /** The filter has changed, or what it finds. */
  show(filter) {
    const before = alike(this.filter);
    this.filter = filter;
    this.#offer();
    if (alike(filter) && alike(filter) !== before) this.open(LIKENESS);
    else if (this.field === LIKENESS && !alike(filter)) this.open("");
    else this.look();
  }

  /** Ask anew how the values of the open field are spread, if somebody sees it. */
  look = atMostOften(async () => {
    const { field } = this;
    if (!field || !this.element.closest("details[open]")) return;
    const found = await this.#ask(field, {});
    if (field === this.field) this.#draw(found);
  }, 100);

  #count = atMostOften(async () => {
    const { field, sliding } = this;
    const found = await this.#ask(field, this.#ranged(sliding));
    if (field === this.field) this.range.count(found);
  }, 60);

  #ask(field, part) {
    return field === LIKENESS ? this.on.ask("filter/likeness", {}, part) : this.on.ask("filter/field", { name: field }, part);
  }

  #title() {
    return this.field.startsWith(SCORE) ? `Score range: ${this.called(this.field)}` : `Range: ${this.called(this.field)}`;
  }

  #ranged(range) {
    return this.field === LIKENESS ? range : this.#part(range);
  }

  /** The limit on the open field, or the view's own on likeness. */
  #chosen() {
    if (this.field === LIKENESS) return this.filter;
    return this.filter.limits.find(({ field }) => field === this.field) ?? {};
  }

  #part(limit) {
    return { limits: limited(this.filter.limits, { field: this.field, ...limit }) };
  }

  #draw(found) {
    const kind = this.kinds.get(this.field) ?? "number",
      chosen = this.#chosen();
    if (kind === "choice") this.#show([found, chosen], () => this.#choices(found.texts));
    else if (kind !== "number") this.#show(chosen, () => this.#typing(kind));
    else if (found.low === null) this.#show("none", () => this.#nothing());
    else {
      this.#show("range", () => this.range.element);
      const says = this.scales[this.field.replace(SCORE, "")]?.says;
      this.range.show(this.#title(), this.called(this.field), found, chosen, says);
    }
  }

  /** What is drawn again keeps the focus. */
  #show(data, make) {
    const focused = document.activeElement?.closest?.("[data-value]")?.dataset.value;
    if (!render(this.place, [this.field, data], make) || focused === undefined) return;
    [...this.place.querySelectorAll("[data-value]")].find((one) => one.dataset.value === focused)?.focus();
  }

  #nothing() {
    return h("p", { class: "ss-faint" }, `There is no ${this.called(this.field)} in this view.`);
  }

  #choices(texts) {
    const chosen = this.#chosen().any_of ?? [],
      known = new Set(texts.map(([value]) => value)),
      gone = chosen.filter((one) => !known.has(one)).map((one) => [one, one, 0]);
    const rows = [...texts, ...gone].map((row) => this.#choice(row, chosen));
    if (texts.every(([value]) => !value) && !chosen.length) return this.#nothing();
    const find = h("input", {
      type: "search",
      placeholder: "Find a value",
      "aria-label": `Find a value of ${this.called(this.field)}`,
      hidden: rows.length <= MANY,
      oninput: () => {
        const wish = find.value.trim().toLowerCase();
        for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wish);
      },
    });
    return h(
      "fieldset",
      { class: "ss-range" },
      h("legend", {}, `Any of: ${this.called(this.field)}`),
      find,
      h("div", { class: "ss-values" }, rows),
    );
  }

  #choice([value, words, images], chosen) {
    const box = h("input", {
      type: "checkbox",
      "data-value": value,
      checked: chosen.includes(value),
      onchange: () => {
        const others = (this.#chosen().any_of ?? []).filter((one) => one !== value);
        this.on.change(this.#part({ any_of: box.checked ? [...others, value] : others }));
      },
    });
    return h("label", { class: "ss-check" }, box, words || "none", h("span", { class: "ss-count" }, ` ${number(images)}`));
  }

  #typing(kind) {
    const written = kind === "written",
      { any_of: some = [], contains = "" } = this.#chosen(),
      values = () => box.value.split(/[\s,]+/).filter(Boolean);
    const box = h("input", {
      type: "text",
      maxlength: 500,
      value: written ? contains : some.join(", "),
      "aria-label": written ? `${this.called(this.field)} contains` : this.called(this.field),
      autocomplete: "off",
    });
    const choose = (event) => {
      event.preventDefault();
      this.on.change(this.#part(written ? { contains: box.value.trim() } : { any_of: values() }));
    };
    const clear = () => this.on.change(this.#part({}));
    return h(
      "fieldset",
      { class: "ss-range" },
      h("legend", {}, written ? `Part of the ${this.called(this.field)}` : `Any of: ${this.called(this.field)}`),
      h("form", { onsubmit: choose }, box, " ", h("button", {}, "Show"), link("All", clear)),
    );
  }
}
