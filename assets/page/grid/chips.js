// What narrows the view, one chip each: pressed, it can be changed; its cross takes it away.
import { h, render } from "../shared/dom.js";

const EMPTY = {
  labels: { labels: [] },
  standings: { standings: [], relabelled: false },
  origins: { origins: [] },
  run: { run: "" },
  image_set: { image_set: "" },
  likeness: { low: null, high: null },
};

/** The part of a filter that is left when a chip is taken away; `part` names it, or the field of a limit. */
export const taken = (filter, part) => EMPTY[part] ?? { limits: filter.limits.filter(({ field }) => field !== part) };

export class Chips {
  /** `on.open(part)` is asked to change what a chip says, `on.take(part)` to take it away. */
  constructor(on) {
    this.on = on;
    this.element = h("div", { class: "ss-narrowed", role: "group", "aria-label": "What filters the view" });
  }

  /** `chips` are [part, words]. */
  show(chips) {
    const focused = document.activeElement?.closest?.("[data-part]")?.dataset.part;
    if (render(this.element, chips, () => chips.map((one) => this.#chip(one))) && focused)
      this.element.querySelector(`[data-part="${CSS.escape(focused)}"] button`)?.focus();
  }

  #chip([part, words]) {
    return h(
      "span",
      { class: "ss-narrow", "data-part": part },
      h("button", { type: "button", title: "Change this filter", onclick: () => this.on.open(part) }, words),
      h("button", { type: "button", "aria-label": `Remove the filter ${words}`, onclick: () => this.on.take(part) }, "✕"),
    );
  }
}
