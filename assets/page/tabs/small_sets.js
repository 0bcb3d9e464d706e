// What both halves of the Distil tab draw: a set as rows of its classes, and an export with its link.
import { Answers } from "../shared/answers.js";
import { button, fill, h, stateBadge, text } from "../shared/dom.js";
import { BASE, get } from "../shared/server.js";

/** A small set, one row per class. */
export const sheet = (set) => {
  const left = set.classes - set.rows.length,
    words = `${set.images} images of ${set.classes} classes`;
  return h(
    "div",
    { class: "ss-sheet", role: "group", "aria-label": words },
    set.rows.map(sheetRow),
    left > 0 && h("p", { class: "ss-muted" }, `and ${left} more classes`),
  );
};

function sheetRow(row) {
  const rest = row.count - row.images.length;
  const image = (digest, at) =>
    h("img", {
      src: `${BASE}/thumbs/96/${digest}`,
      alt: `${row.label}, ${at + 1} of ${row.count}`,
      loading: "lazy",
      decoding: "async",
      width: 48,
      height: 48,
    });
  return h(
    "div",
    { class: "ss-sheet-row" },
    h("span", { class: "ss-sheet-label", title: row.label }, row.label),
    h(
      "span",
      { class: "ss-sheet-images" },
      row.images.map(image),
      rest > 0 && h("span", { class: "ss-muted" }, `+ ${rest}`),
    ),
  );
}

/** A name, a button that exports, and what was exported before. `changed` hears that there is more. */
export class ExportBox {
  constructor(name, changed) {
    const id = `export-${name.replace(" ", "-")}`;
    this.changed = changed;
    this.name = h("input", {
      class: "ss-input",
      value: name,
      maxlength: 120,
      "aria-label": "name of the exported dataset",
      id: `ss-${id}`,
    });
    this.answers = new Answers(id, { name: this.name });
    this.button = button("", () => this.send(), "strong", { "data-export-go": "" });
    this.list = h("div", { role: "status", "aria-live": "polite" });
    this.root = h(
      "div",
      { class: "ss-exportbox" },
      h("div", { class: "ss-buttons" }, h("div", {}, this.name), this.button),
      this.answers.root,
      this.list,
    );
  }
  async send() {
    this.button.disabled = true;
    await this.answers.ask(this.path, { fold: this.fold, name: this.name.value });
    this.button.disabled = false;
    this.changed();
  }
  /** Offer to export by a path, and show the exports that these runs made. */
  async draw(path, label, runs, fold = 0) {
    Object.assign(this, { path, fold });
    text(this.button, label);
    const looks = runs.join();
    if (looks === this.looks && !this.waiting) return;
    const rows = runs.length ? (await get("/exports")).exports.filter((one) => runs.includes(one.run)) : [];
    this.looks = looks;
    this.waiting = rows.some((one) => ["queued", "running", "stopping"].includes(one.state));
    fill(this.list, rows.map(exported));
  }
}

const exported = (one) =>
  h(
    "p",
    { class: "ss-exported", "data-export-run": one.run, "data-state": one.state },
    stateBadge(one.state),
    h("span", {}, one.name),
    one.folder &&
      h(
        "a",
        { class: "ss-button", href: `${BASE}/exports/${encodeURIComponent(one.run)}.zip`, download: true },
        `Download zip, ${Math.ceil(one.bytes / 1e3)} kB`,
      ),
    one.error && h("span", { class: "ss-badline" }, one.error),
  );
