// The bar of classes: accepted, pending and wanted, always in sight; a click filters, a number key moves images there.
import { h } from "../shared/dom.js";
import { number } from "../shared/format.js";
import { digitKeys } from "./keys.js";

const MANY = 24;
const MOST = 300;

export class Classes {
  constructor(on) {
    Object.assign(this, { on, rows: [], targets: {}, wanted: "" });
    this.chips = h("div", { class: "ss-chips", role: "group", "aria-label": "Classes" });
    this.find = h("input", {
      type: "search",
      placeholder: "Find a class",
      "aria-label": "Find a class",
      hidden: true,
      oninput: () => this.#draw(),
    });
    this.goal = h("input", {
      type: "number",
      min: 1,
      max: 1000000,
      placeholder: "none",
      "aria-label": "Wanted per class",
      onchange: () => this.#setGoal(),
    });
    this.element = h(
      "div",
      { class: "ss-classes" },
      this.find,
      this.chips,
      h(
        "label",
        { class: "ss-goal", title: "How many accepted images each class needs" },
        "Target per class ",
        this.goal,
      ),
    );
  }

  /** Names of the classes that are listed, in order. */
  get names() {
    return this.listed.map(([label]) => label);
  }
  /** The digit keys and the classes they mean. */
  get keys() {
    return digitKeys(
      this.rows.map(([label]) => label),
      this.names,
    );
  }
  get listed() {
    const wish = this.find.value.trim().toLowerCase();
    return this.rows.filter(([label]) => label.toLowerCase().includes(wish)).slice(0, MOST);
  }

  show(rows, targets, chosen) {
    Object.assign(this, { rows, targets, chosen });
    this.find.hidden = rows.length <= MANY;
    if (document.activeElement !== this.goal) this.goal.value = targets[""] ?? "";
    this.#draw();
  }

  #draw() {
    const looks = JSON.stringify([this.listed, this.targets, this.chosen]);
    if (looks === this.looks) return;
    this.looks = looks;
    const focused = document.activeElement?.closest?.(".ss-chip")?.dataset.label;
    const keys = new Map([...this.keys].map(([key, label]) => [label, key]));
    this.chips.replaceChildren(...this.listed.map((row) => this.#chip(row, keys.get(row[0]))));
    if (focused !== undefined) [...this.chips.children].find((chip) => chip.dataset.label === focused)?.focus();
  }

  #chip([label, pending, accepted, rejected], key) {
    const target = this.targets[label] ?? this.targets[""];
    const share = target ? Math.min(1, accepted / target) : accepted / Math.max(1, accepted + pending + rejected);
    const said =
      `${label}: ${accepted} accepted, ${pending} pending, ${rejected} rejected` +
      (target ? `, ${target} wanted` : "") +
      (key ? `; key ${key} moves images here` : "");
    const chip = h(
      "button",
      {
        type: "button",
        class: "ss-chip",
        title: said,
        "aria-label": said,
        "data-label": label,
        "aria-pressed": String(this.chosen.includes(label)),
        onclick: () => this.on.filter(label),
      },
      h("span", { class: "ss-chip-top" }, key && h("kbd", {}, key), h("span", { class: "ss-chip-name" }, label)),
      h(
        "span",
        { class: "ss-bar" },
        h("span", { style: `width:${(100 * share).toFixed(1)}%`, class: target && accepted >= target ? "full" : "" }),
      ),
      h(
        "span",
        { class: "ss-chip-counts" },
        h("b", {}, number(accepted)),
        target ? ` of ${number(target)}` : " kept",
        h("span", { class: "ss-chip-pending" }, ` · ${number(pending)} pending`),
      ),
    );
    return chip;
  }

  #setGoal() {
    const wanted = this.goal.value === "" ? null : Math.round(Number(this.goal.value));
    if (wanted !== null && !(wanted >= 1 && wanted <= 1000000)) {
      this.goal.value = this.targets[""] ?? "";
      return;
    }
    this.on.target(wanted);
  }
}
