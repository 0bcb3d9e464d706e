// Which numbers are shown: a histogram with two handles below it, and the two values to read and to type.
import { h, text } from "../shared/dom.js";
import { many, number } from "../shared/format.js";

const STEPS = 200;
const STANDINGS = ["accepted", "pending", "rejected"]; // of a bar, from the bottom

/** The range that two handles or two typed values mean, [low, high] in order; null where it ends where the numbers do. */
export function rangeOf(a, b, { low, high }) {
  const [from, to] = [a, b].map(Number).sort((x, y) => x - y);
  const near = (high - low) / STEPS / 2;
  return { low: from - low <= near ? null : from, high: high - to <= near ? null : to };
}

/** What a range leaves of the images under the other filters, in words. */
export function left({ inside, whole, none }, name) {
  const without = none ? `; ${number(none)} ${none === 1 ? "has" : "have"} no ${name}` : "";
  return `${number(inside)} of ${many(whole, "image")} stay${whole === 1 ? "s" : ""}${without}`;
}

const short = (value) => String(Number(Number(value).toPrecision(4)));

export class Range {
  /** `on.choose` hears of a new range: {low, high}, null where there is no limit; `on.slide` of each on the way there. */
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
    this.left = h("p", { class: "ss-faint", role: "status" });
    this.element = h(
      "fieldset",
      { class: "ss-range" },
      this.name,
      this.says,
      h("div", { class: "ss-range-plot" }, this.bars, this.from, this.to),
      h(
        "div",
        { class: "ss-range-values" },
        h("label", {}, "From ", this.least),
        h("label", {}, "to ", this.most),
        h("button", { type: "button", class: "ss-link", onclick: () => on.choose({ low: null, high: null }) }, "All"),
      ),
      this.left,
    );
  }

  /** Show how the numbers of a field are spread, what they say, and the range that is chosen; what somebody is typing stays. */
  show(title, name, spread, chosen, says = "") {
    this.spread = spread;
    this.called = name;
    const { low, high } = spread;
    text(this.name, title);
    text(this.says, says);
    this.says.hidden = !says;
    this.#draw();
    for (const [handle, box, word, value] of [
      [this.from, this.least, "Lowest", chosen.low ?? low],
      [this.to, this.most, "Highest", chosen.high ?? high],
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

  /** What is counted while a handle is on its way; the handles stay where they are held. */
  count(spread) {
    this.spread = spread;
    this.#draw();
    this.#shade();
  }

  #draw() {
    const { counts } = this.spread,
      sums = counts.pending.map((_, place) => STANDINGS.reduce((sum, one) => sum + counts[one][place], 0)),
      most = Math.max(1, ...sums);
    const part = (standing, place) =>
      counts[standing][place] && h("i", { class: standing, style: `flex-grow:${counts[standing][place]}` });
    this.bars.replaceChildren(
      ...sums.map((sum, place) =>
        h(
          "span",
          { style: `height:${Math.ceil((100 * sum) / most)}%` },
          STANDINGS.map((standing) => part(standing, place) || null),
        ),
      ),
    );
    text(this.left, left(this.spread, this.called));
  }

  /** Handles do not pass each other. */
  #slid(which) {
    if (Number(this.from.value) > Number(this.to.value))
      this[which].value = which === "from" ? this.to.value : this.from.value;
    this.least.value = short(this.from.value);
    this.most.value = short(this.to.value);
    this.#shade();
    this.on.slide(rangeOf(this.from.value, this.to.value, this.spread));
  }

  #shade() {
    const { low, high } = this.spread,
      bars = [...this.bars.children],
      width = (high - low) / bars.length || 1;
    bars.forEach((bar, place) => {
      const centre = low + (place + 0.5) * width;
      bar.classList.toggle("out", high > low && (centre < Number(this.from.value) || centre > Number(this.to.value)));
    });
  }

  #chosen() {
    this.on.choose(rangeOf(this.from.value, this.to.value, this.spread));
  }

  #typed() {
    const { low, high } = this.spread,
      value = (box, otherwise) => (box.value === "" || Number.isNaN(Number(box.value)) ? otherwise : Number(box.value));
    this.on.choose(rangeOf(value(this.least, low), value(this.most, high), this.spread));
  }
}
