// Which scores are shown: a histogram with two handles below it, and the two values to read and to type.
import { h } from "../shared/dom.js";

const STEPS = 200;

/** The range that two handles or two typed values mean, [low, high] in order; null where it ends where the scores do. */
export function rangeOf(a, b, { low, high }) {
  const [from, to] = [a, b].map(Number).sort((x, y) => x - y);
  const near = (high - low) / STEPS / 2;
  return { low: from - low <= near ? null : from, high: high - to <= near ? null : to };
}

const short = (value) => String(Number(Number(value).toPrecision(4)));

export class Range {
  /** `on` hears of a new range: {low, high}, null where there is no limit. */
  constructor(on) {
    this.on = on;
    const handle = (which) =>
      h("input", { type: "range", oninput: () => this.#slid(which), onchange: () => this.#chosen() });
    const box = () => h("input", { type: "number", step: "any", onchange: () => this.#typed() });
    [this.from, this.to] = [handle("from"), handle("to")];
    [this.least, this.most] = [box(), box()];
    this.name = h("legend");
    this.says = h("p", { class: "ss-faint" });
    this.bars = h("div", { class: "ss-histogram", "aria-hidden": "true" });
    this.element = h(
      "fieldset",
      { class: "ss-range", hidden: true },
      this.name,
      this.says,
      h("div", { class: "ss-range-plot" }, this.bars, this.from, this.to),
      h(
        "div",
        { class: "ss-range-values" },
        h("label", {}, "From ", this.least),
        h("label", {}, "to ", this.most),
        h("button", { type: "button", class: "ss-link", onclick: () => this.on({ low: null, high: null }) }, "All"),
      ),
    );
  }

  /** Show the scores of a scorer, what they say, and the range of a filter; what somebody is typing stays. */
  show(scorer, histogram, filter, says) {
    this.element.hidden = !scorer || !histogram || histogram.low === null;
    if (this.element.hidden) return;
    this.histogram = histogram;
    const { low, high, counts } = histogram,
      name = scorer.replaceAll("_", " "),
      most = Math.max(1, ...counts);
    this.name.textContent = `Score range: ${name}`;
    this.says.textContent = says;
    this.says.hidden = !says;
    this.bars.replaceChildren(
      ...counts.map((count) => h("span", { style: `height:${Math.ceil((100 * count) / most)}%` })),
    );
    for (const [handle, box, word, value] of [
      [this.from, this.least, "Lowest", filter.low ?? low],
      [this.to, this.most, "Highest", filter.high ?? high],
    ]) {
      Object.assign(handle, { min: low, max: high, step: (high - low) / STEPS || 1 });
      handle.value = value;
      handle.setAttribute("aria-label", `${word} ${name}`);
      handle.setAttribute("aria-valuetext", short(value));
      box.setAttribute("aria-label", `${word} ${name}, as a number`);
      if (document.activeElement !== box) box.value = short(value);
    }
    this.#shade();
  }

  /** Handles do not pass each other. */
  #slid(which) {
    if (Number(this.from.value) > Number(this.to.value))
      this[which].value = which === "from" ? this.to.value : this.from.value;
    this.least.value = short(this.from.value);
    this.most.value = short(this.to.value);
    this.#shade();
  }

  #shade() {
    const { low, high, counts } = this.histogram,
      width = (high - low) / counts.length || 1;
    [...this.bars.children].forEach((bar, place) => {
      const centre = low + (place + 0.5) * width;
      bar.classList.toggle("out", high > low && (centre < Number(this.from.value) || centre > Number(this.to.value)));
    });
  }

  #chosen() {
    this.on(rangeOf(this.from.value, this.to.value, this.histogram));
  }

  #typed() {
    const { low, high } = this.histogram,
      value = (box, otherwise) => (box.value === "" || Number.isNaN(Number(box.value)) ? otherwise : Number(box.value));
    this.on(rangeOf(value(this.least, low), value(this.most, high), this.histogram));
  }
}
