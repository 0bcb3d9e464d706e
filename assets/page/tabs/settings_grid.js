// Settings side by side: the newest grid or ladder, filled while it is drawn. A press on a picture uses its settings; of
// a ladder of t0 two handles choose a range.
import { button, h, render, text } from "../shared/dom.js";
import { many } from "../shared/format.js";
import { act, say, wordsOf } from "../shared/say.js";
import { get } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { isLadder, under, within } from "./grid_words.js";
import { picture } from "./pictures.js";

/** What is used is told as `studio:use_image`; `synthstudio/ui/tabs/sample.py` hears it. */
class SettingsGrid extends Asking {
  build() {
    this.said = h("p", { class: "ss-muted", role: "status" });
    this.buttons = h("span", { class: "ss-buttons" });
    this.place = h("div", { class: "ss-scroll ss-settings-grid" });
    this.range = h("div", { class: "ss-grid-range", hidden: true });
    const head = h("div", { class: "ss-live-head" }, this.said, this.buttons);
    this.shown = h("div", { hidden: true }, head, this.place, this.range); // hidden itself it would not be in sight
    this.append(this.shown);
  }
  async look() {
    const grid = await get("/grids");
    this.shown.hidden = !grid;
    if (!grid) return;
    Object.assign(this.dataset, { run: grid.run, state: grid.state });
    const wait = grid.done === grid.total && grid.state === "running" && grid.scored ? ", being scored" : "";
    text(this.said, grid.error || `${grid.done} of ${many(grid.total, "image")} · ${grid.state_words}${wait}`);
    const path = `/runs/${encodeURIComponent(grid.run)}`;
    render(this.buttons, [grid.run, grid.state], () => [
      ["queued", "running"].includes(grid.state) && act("Stop", `${path}/stop`),
      ["stopped", "failed", "lost"].includes(grid.state) && act("Resume", `${path}/resume`, "strong"),
    ]);
    render(this.place, [grid.run, grid.cells], () => this.table(grid));
    render(this.range, [grid.run, isLadder(grid)], () => isLadder(grid) && this.handles(grid));
    this.range.hidden = !isLadder(grid);
  }
  table({ run, x, y, cells }) {
    const rows = y ? y.values : [""];
    return h(
      "table",
      {},
      h("caption", { class: "ss-muted" }, y ? `${x.words} from left to right, ${y.words} from top to bottom` : x.words),
      h("thead", {}, h("tr", {}, y && h("td"), x.values.map((value) => h("th", { scope: "col" }, value)))),
      h(
        "tbody",
        {},
        rows.map((value, row) =>
          h(
            "tr",
            {},
            y && h("th", { scope: "row" }, value),
            x.values.map((_, column) => this.cell(run, row * x.values.length + column, cells)),
          ),
        ),
      ),
    );
  }
  cell(run, place, cells) {
    return h(
      "td",
      { "data-cell": place },
      cells[place].map((one) =>
        h(
          "button",
          { type: "button", class: "ss-cellbutton", title: "Use these settings", onclick: () => this.use(run, place) },
          picture(one),
          under(one.scores).map((line) => h("span", { class: "ss-muted ss-number" }, line)),
        ),
      ),
    );
  }
  // The two handles stand on rungs; what lies between them is marked.
  handles({ run, x }) {
    const last = x.values.length - 1;
    const handle = (words, value) =>
      h("input", { type: "range", min: 0, max: last, step: 1, value, "aria-label": words, oninput: () => this.mark(x) });
    this.low = handle("lowest t0", Math.floor(last / 3));
    this.high = handle("highest t0", Math.ceil((2 * last) / 3));
    this.chosen = h("span", { class: "ss-number", role: "status" });
    const use = () => this.use(run, ...within(this.low.value, this.high.value));
    queueMicrotask(() => this.mark(x));
    return [h("span", {}, "Range of t0"), this.low, this.high, this.chosen, button("Use this range", use, "strong")];
  }
  mark(x) {
    const [low, high] = within(this.low.value, this.high.value);
    text(this.chosen, `${x.values[low]} to ${x.values[high]}`);
    for (const cell of this.place.querySelectorAll("[data-cell]"))
      cell.classList.toggle("ss-in-range", low <= cell.dataset.cell && cell.dataset.cell <= high);
  }
  async use(run, place, to = null) {
    try {
      const detail = await get(`/grids/${encodeURIComponent(run)}/${place}`, to === null ? {} : { to });
      this.dispatchEvent(new CustomEvent("studio:use_image", { bubbles: true, detail }));
      say("The form has these settings.", "note");
    } catch (error) {
      say(wordsOf(error));
    }
  }
}

customElements.define("studio-grid", SettingsGrid);
