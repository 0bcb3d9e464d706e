// Until enough are accepted: the newest such run, class by class, while it draws.
import { review } from "../shared/address.js";
import { button, h, render, table, td, text, th } from "../shared/dom.js";
import { act } from "../shared/say.js";
import { get } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { cells, standing, sum } from "./until_words.js";

const HEAD = ["Class", "Accepted", "Made", "Pass", "Budget left"];

class Until extends Asking {
  build() {
    this.said = h("p", { class: "ss-number", role: "status" });
    this.buttons = h("span", { class: "ss-buttons" });
    this.filters = h("p", { class: "ss-muted" });
    this.meter = h("progress", { max: 1, value: 0, style: "width:100%", "aria-label": "accepted" });
    this.warned = h("div");
    this.place = h("div", { class: "ss-scroll" });
    const head = h("div", { class: "ss-live-head" }, this.said, this.buttons);
    this.shown = h("div", { hidden: true }, head, this.meter, this.filters, this.warned, this.place);
    this.append(this.shown);
  }
  async look() {
    const found = await get("/until");
    this.shown.hidden = !found;
    if (!found) return;
    Object.assign(this.dataset, { run: found.run, state: found.state });
    text(this.said, `${sum(found)} · ${found.state_words}`);
    text(this.filters, found.filters);
    this.meter.hidden = found.state === "done";
    this.meter.value = found.accepted / (found.wanted * found.all);
    render(this.buttons, [found.run, found.state], () => this.steer(found));
    const lines = [...found.said, found.error].filter(Boolean);
    render(this.warned, lines, () => lines.map((line) => h("p", { class: "ss-warnline" }, line)));
    render(this.place, [found.run, found.classes], () => this.table(found));
  }
  steer({ run, state }) {
    const path = `/runs/${encodeURIComponent(run)}`;
    return [
      ["queued", "running"].includes(state) && act("Stop", `${path}/stop`),
      ["stopped", "failed", "lost"].includes(state) && act("Resume", `${path}/resume`, "strong"),
      state === "done" && button("Review these", () => review({ what: run })),
    ];
  }
  table(found) {
    const rows = found.classes.map((one) =>
      h(
        "tr",
        { "data-standing": standing(one, found) },
        h("th", { scope: "row" }, one.id),
        cells(one, found).map((words) => td("n", words)),
      ),
    );
    return [
      table(
        HEAD.map((words, at) => th(at ? "n" : "", words)),
        rows,
      ),
      found.more > 0 && h("p", { class: "ss-muted" }, `and ${found.more} more classes`),
    ];
  }
}

customElements.define("studio-until", Until);
