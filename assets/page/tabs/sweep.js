// Settings that are swept: the newest sweep, trial by trial, while it works. A press on a trial uses its settings.
import { h, link, render, table, td, text, th } from "../shared/dom.js";
import { act, say, wordsOf } from "../shared/say.js";
import { get } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { cells, chosenOn, standing, sum } from "./sweep_words.js";

/** What is used is told as `studio:use_image`; `synthstudio/ui/tabs/sample.py` hears it. */
class Sweep extends Asking {
  build() {
    this.said = h("p", { class: "ss-number", role: "status" });
    this.buttons = h("span", { class: "ss-buttons" });
    this.sentence = h("p");
    this.warned = h("div");
    this.place = h("div", { class: "ss-scroll" });
    const head = h("div", { class: "ss-live-head" }, this.said, this.buttons);
    this.shown = h("div", { hidden: true }, head, this.warned, this.sentence, this.place);
    this.append(this.shown);
  }
  async look() {
    const found = await get("/sweep");
    this.shown.hidden = !found;
    if (!found) return;
    Object.assign(this.dataset, { pipeline: found.pipeline, state: found.state });
    text(this.said, sum(found));
    text(this.sentence, found.sentence);
    const path = `/pipelines/${encodeURIComponent(found.pipeline)}`;
    render(this.buttons, [found.pipeline, found.state], () => [
      found.state === "running" && act("Stop", `${path}/stop`),
      ["stopped", "failed"].includes(found.state) && act("Resume", `${path}/resume`, "strong"),
    ]);
    render(this.warned, found.error, () => found.error && h("p", { class: "ss-warnline" }, found.error));
    render(this.place, [found.pipeline, found.best, found.trials], () => this.table(found));
  }
  table(found) {
    if (!found.trials.length) return null;
    const heads = [
      th("", "Trial"),
      ...found.heads.map((words) => th("n", words)),
      ...found.measures.map((one) => th("n", one.heading, { title: one.help })),
      th("n", "Images/s"),
      th("", ""),
    ];
    return [
      table(
        heads,
        found.trials.map((trial) => this.row(found, trial)),
      ),
      h("p", { class: "ss-muted" }, chosenOn(found)),
    ];
  }
  row(found, trial) {
    const use = link(String(trial.number), () => this.use(found.pipeline, trial.number), {
      title: "Use these settings",
      "aria-label": `Use the settings of trial ${trial.number}`,
      disabled: !trial.run,
    });
    return h(
      "tr",
      { "data-trial": trial.number, "data-standing": standing(trial, found) },
      h("th", { scope: "row" }, use),
      cells(trial, found).map(([words, beside]) => td("n", words, beside && h("div", { class: "ss-muted" }, beside))),
      td("", standing(trial, found)),
    );
  }
  async use(pipeline, number) {
    try {
      const detail = await get(`/sweeps/${encodeURIComponent(pipeline)}/${number}`);
      this.dispatchEvent(new CustomEvent("studio:use_image", { bubbles: true, detail }));
      say("The form has these settings.", "note");
    } catch (error) {
      say(wordsOf(error));
    }
  }
}

customElements.define("studio-sweep", Sweep);
