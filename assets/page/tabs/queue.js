// What waits, in the order in which it will start: changed by dragging a row, by its buttons or by its arrow keys.
import { Rows, button, h, text } from "../shared/dom.js";
import { say, wordsOf } from "../shared/say.js";
import { Away, post } from "../shared/server.js";

/** The ids with one moved to another place. */
export function moved(ids, id, place) {
  const rest = ids.filter((one) => one !== id);
  rest.splice(Math.max(0, Math.min(rest.length, place)), 0, id);
  return rest;
}

export class Queue {
  constructor() {
    this.list = h("ol", { class: "ss-queue" });
    this.said = h("span", { class: "ss-muted", role: "status", "aria-live": "polite" });
    this.root = h(
      "section",
      { class: "ss-card", hidden: true, "aria-label": "queue" },
      h("h3", {}, "Waiting, in this order"),
      h("p", { class: "ss-muted" }, "Drag a row, or use its arrows. What works already goes on."),
      this.list,
      this.said,
    );
    this.ids = [];
    this.rows = new Rows(
      this.list,
      (id) => this.row(id),
      (row, id, place) => this.update(row, id, place),
      (id) => id,
    );
    this.list.addEventListener("dragover", (event) => {
      if (!this.held) return;
      event.preventDefault();
      this.over(event.clientY);
    });
    this.list.addEventListener("drop", (event) => {
      event.preventDefault();
      this.dropped();
    });
  }
  draw(runs) {
    if (this.held || this.saving) return;
    const waiting = runs.filter((run) => run.place).sort((a, b) => a.place - b.place);
    this.root.hidden = waiting.length < 2;
    this.runs = new Map(waiting.map((run) => [run.run, run]));
    this.show(waiting.map((run) => run.run));
  }
  name(id) {
    const run = this.runs.get(id);
    return run.named ? run.name : run.kind_words;
  }
  show(ids) {
    this.ids = ids;
    this.rows.draw(ids);
  }
  update(row, id, place) {
    const run = this.runs.get(id),
      name = this.name(id);
    text(row.words, name);
    text(row.about, run.named ? run.kind_words : run.name);
    row.up.disabled = place === 0;
    row.down.disabled = place === this.ids.length - 1;
    row.up.setAttribute("aria-label", `${name}, place ${place + 1}: start earlier`);
    row.down.setAttribute("aria-label", `${name}, place ${place + 1}: start later`);
  }
  row(id) {
    const words = h("span"),
      about = h("span", { class: "ss-muted ss-run-name" }),
      up = button("↑", () => this.step(id, -1)),
      down = button("↓", () => this.step(id, 1));
    const root = h(
      "li",
      {
        draggable: "true",
        "data-run": id,
        ondragstart: (event) => {
          this.held = id;
          this.before = this.ids;
          event.dataTransfer.effectAllowed = "move";
          event.dataTransfer.setData("text/plain", id);
          root.classList.add("held");
        },
        ondragend: () => {
          root.classList.remove("held");
          if (!this.held) return;
          this.held = null;
          this.show(this.before);
        },
        onkeydown: (event) => {
          const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
          if (!by) return;
          event.preventDefault();
          this.step(id, by);
        },
      },
      h("span", { class: "ss-grip", "aria-hidden": "true" }, "⠿"),
      h("span", { class: "ss-queue-words" }, words, about),
      h("span", { class: "ss-buttons" }, up, down),
    );
    return { root, words, about, up, down };
  }
  over(y) {
    const middle = (id) => {
      const { root } = this.rows.get(id);
      return root.getBoundingClientRect().top + root.offsetHeight / 2;
    };
    const above = this.ids.filter((id) => id !== this.held && y > middle(id));
    const wanted = moved(this.ids, this.held, above.length);
    if (wanted.join() !== this.ids.join()) this.show(wanted);
  }
  dropped() {
    const id = this.held;
    this.held = null;
    if (this.ids.join() !== this.before.join()) this.save(id);
  }
  async step(id, by) {
    const place = this.ids.indexOf(id) + by;
    if (place < 0 || place >= this.ids.length || this.saving) return;
    this.show(moved(this.ids, id, place));
    const row = this.rows.get(id),
      [wanted, other] = by < 0 ? [row.up, row.down] : [row.down, row.up];
    (wanted.disabled ? other : wanted).focus(); // moving a row in the page loses the focus
    await this.save(id);
  }
  async save(id) {
    this.saving = true;
    try {
      const found = await post("/queue", { runs: this.ids });
      this.show(found.runs.filter((one) => this.runs.has(one)));
      text(this.said, `${this.name(id)} is number ${this.ids.indexOf(id) + 1} of ${this.ids.length} now.`);
    } catch (error) {
      say(error instanceof Away ? "The server cannot be reached. The order is as it was." : wordsOf(error));
    } finally {
      this.saving = false;
    }
  }
}
