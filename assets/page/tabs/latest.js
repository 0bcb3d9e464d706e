// The newest run of a kind, beside the form that asks for such runs: `<studio-latest kind="adapt.">`; of the kind
// `without` none. `next`, `words` and `give` say which tab comes next, what its button says, and what its form begins with.
import { CurveBox } from "../charts/curves.js";
import { changed, go, review } from "../shared/address.js";
import { choose } from "../shared/choices.js";
import { button, h, link, render, text } from "../shared/dom.js";
import { many, progressLine, share } from "../shared/format.js";
import { act } from "../shared/say.js";
import { get } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { Pictures, picture } from "./pictures.js";

class Latest extends Asking {
  build() {
    this.nothing = [...this.children];
    this.name = h("h2");
    this.badge = h("span", { class: "ss-state", role: "status", "aria-live": "polite" });
    this.buttons = h("span", { class: "ss-buttons" });
    this.waitingWords = h("span", { role: "status" });
    this.waiting = h(
      "p",
      { class: "ss-muted", hidden: true },
      this.waitingWords,
      " ",
      link("See Runs", () => go("runs")),
    );
    this.far = h("p", { class: "ss-number ss-muted" });
    this.meter = h("progress", { max: 100, value: 0, style: "width:100%", "aria-label": "progress" });
    this.error = h("div", { class: "ss-badline", role: "alert" });
    this.pictures = new Pictures();
    this.drawn = h("div", { class: "ss-drawn", role: "region", "aria-label": "samples at fixed seeds" });
    this.curve = new CurveBox();
    this.card = h(
      "div",
      { class: "ss-card", hidden: true },
      h("div", { class: "ss-live-head" }, this.name, h("div", { class: "ss-live-right" }, this.badge, this.buttons)),
      this.waiting,
      this.far,
      this.meter,
      this.error,
      this.pictures.root,
      this.drawn,
      this.curve.root,
    );
    this.append(this.card);
  }
  async look() {
    const [kind, without] = ["kind", "without"].map((name) => this.getAttribute(name));
    const runs = (await get("/runs", { limit: 100 })).filter((run) => run.kind.startsWith(kind) && run.kind !== without);
    const found = runs.find((run) => run.state !== "queued") || runs[0], // what waits has nothing to show yet
      waiting = runs.filter((run) => run.state === "queued" && run !== found).length;
    this.waiting.hidden = !waiting;
    text(this.waitingWords, `${many(waiting, "more run")} ${waiting === 1 ? "waits" : "wait"} in the queue.`);
    this.card.hidden = !found;
    for (const one of this.nothing) one.hidden = !!found;
    if (found) this.fill(await get(`/runs/${encodeURIComponent(found.run)}`));
  }
  fill(run) {
    Object.assign(this.dataset, { run: run.run, state: run.state });
    text(this.name, run.named ? run.name : run.kind_words);
    text(this.badge, run.state_words);
    this.badge.dataset.state = run.state;
    text(this.far, run.total ? progressLine(run, "about ") : "");
    this.meter.hidden = !["running", "stopping"].includes(run.state);
    this.meter.value = share(run);
    this.error.hidden = !run.error;
    text(this.error, run.error || "");
    render(this.buttons, [run.run, run.state, run.damage], () => this.steer(run));
    this.pictures.draw(run.images);
    render(this.drawn, looks(run), (rows) => rows.length > 0 && lookRows(rows));
    this.curve.draw({ ...run, words: run.kind_words });
  }
  steer(run) {
    const path = `/runs/${encodeURIComponent(run.run)}`,
      adapts = run.kind.startsWith("adapt"),
      ended = run.state === "done";
    return [
      ["queued", "running"].includes(run.state) && act("Stop", `${path}/stop`),
      ["stopped", "failed", "lost"].includes(run.state) && act("Resume", `${path}/resume`, "strong"),
      adapts && ["running", "done"].includes(run.state) && act("Sample now", `${path}/sample`),
      ended && !adapts && run.damage && act("Make again", `${path}/again`),
      ended && this.next(run, adapts),
    ];
  }
  // The next step, and what it begins with: `give` names a field of its form and the output that goes there.
  next(run, adapts) {
    const tab = this.getAttribute("next") ?? (adapts ? "sample" : "review"),
      words = this.getAttribute("words") || (adapts ? "Make images with it" : "Review these");
    const [name, output] = (this.getAttribute("give") || "").split("="),
      given = run.outputs[output];
    const start = () => {
      if (tab === "review") review({ what: run.run });
      else if (tab === "sample" && adapts) choose({ "ss-sample-adapter": `run:${run.run}` }, "sample");
      else if (given) location.assign(changed({ tab, [name]: given }));
      else go(tab);
    };
    return tab && button(words, start);
  }
}

/** What an adapter draws of the same seeds, the newest first, so that rows can be compared. */
function looks(run) {
  const finished = run.samples && {
    title:
      run.samples.state === "done" ? "Finished adapter" : `Finished adapter: ${run.samples.error || run.samples.state}`,
    images: run.samples.images,
  };
  const earlier = run.previews.map((row) => ({ title: `Step ${row.step}`, images: row.images }));
  return [finished, ...earlier].filter(Boolean).slice(0, 9);
}

const lookRows = (rows) => [
  h("h3", {}, "Samples at fixed seeds, the newest first"),
  rows.map((row) =>
    h(
      "div",
      { class: "ss-drawn-row" },
      h("span", { class: "ss-muted ss-number" }, row.title),
      h("div", { class: "ss-newest" }, row.images.map(picture)),
    ),
  ),
];

customElements.define("studio-latest", Latest);
