// Distil: a small set as it forms, then the judge's table with every baseline, its sentence and the export.
import { CurveBox } from "../charts/curves.js";
import { keep, query, review } from "../shared/address.js";
import { choose } from "../shared/choices.js";
import { button, forget, h, offer, render, text } from "../shared/dom.js";
import { when } from "../shared/format.js";
import { BASE, get } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { Judge } from "./judge.js";
import { foldsOf, shownState, steering, timeOf } from "./live.js";
import { ExportBox, sheet } from "./small_sets.js";
import { Steps } from "./steps.js";

const HIGHEST = 480; // of a picture of a set, in pixels of the screen

class Distil extends Asking {
  build() {
    this.nothing = [...this.children];
    for (const one of this.nothing) one.hidden = true; // until the first answer says so
    this.name = h("h2");
    this.about = h("span", { class: "ss-muted" });
    this.pick = h("select", {
      class: "ss-select",
      "aria-label": "which distillation",
      onchange: () => {
        keep({ distil: this.pick.value });
        this.again();
      },
    });
    this.folds = h("select", {
      class: "ss-select",
      "aria-label": "fold",
      hidden: true,
      onchange: () => this.drawAnswer(),
    });
    this.badge = h("span", { class: "ss-state", role: "status", "aria-live": "polite" });
    this.time = h("span", { class: "ss-muted ss-number" });
    this.buttons = h("span", { class: "ss-buttons" });
    this.error = h("div", { class: "ss-badline", role: "alert", hidden: true });
    this.notes = h("div");
    this.sentence = h("p", { class: "ss-sentence", hidden: true });
    this.judge = new Judge();
    this.steps = new Steps();
    this.curve = new CurveBox();
    this.forming = h("img", { class: "ss-forming", alt: "", hidden: true, onload: fitted });
    this.formingLabels = h("div", { class: "ss-forming-labels", "aria-hidden": "true" });
    this.formingBox = h("div", { class: "ss-formingbox" }, this.formingLabels, this.forming);
    this.sheetTitle = h("h3");
    this.sheet = h("div");
    this.export = new ExportBox("small set", () => {
      this.answered = "";
      this.again();
    });
    const fold = () => Number(this.folds.value || 0);
    this.after = h(
      "div",
      { hidden: true },
      this.export.root,
      h(
        "span",
        { class: "ss-buttons" },
        button("Look at them in Review", () => review({ what: this.dataset.pipeline, fold: fold() })),
        button("Train a classifier on them", () => choose(this.given, "train")),
      ),
    );
    this.card = h(
      "section",
      { class: "ss-card ss-distil", hidden: true, "aria-label": "distillation" },
      h(
        "div",
        { class: "ss-live-head" },
        h("div", {}, this.name, this.about),
        h("div", { class: "ss-live-right" }, this.badge, this.time, this.buttons),
      ),
      h("div", { class: "ss-distil-pick" }, this.pick, this.folds),
      this.error,
      this.notes,
      this.sentence,
      h(
        "div",
        { class: "ss-live-body" },
        h("div", {}, this.steps.root, this.curve.root),
        h("div", {}, this.sheetTitle, this.formingBox, this.sheet, this.after),
      ),
      this.judge.root,
    );
    this.append(this.card);
  }
  async look() {
    const wanted = query().get("distil"),
      { shown, runs } = await get("/distil", wanted ? { pipeline: wanted } : {});
    this.card.hidden = !shown;
    for (const one of this.nothing) one.hidden = !!shown;
    if (!shown) return;
    offer(
      this.pick,
      runs.map((one) => [
        one.id,
        `${one.title}, ${one.per_class ?? "?"} per class, ${one.preset}, ${one.state} · ${when(one.created)}`,
      ]),
    );
    this.pick.hidden = runs.length < 2;
    this.pick.value = shown.pipeline.id;
    await this.fill(shown);
  }
  async fill({ pipeline, maker, per_class, answer }) {
    const state = shownState(pipeline);
    Object.assign(this.dataset, { state, pipeline: pipeline.id });
    text(this.name, pipeline.title);
    text(
      this.about,
      `${pipeline.data} · ${pipeline.shots_words} · ${per_class ?? "?"} images per class · ` +
        `${pipeline.preset} · ${foldsOf(pipeline)}`,
    );
    text(this.badge, state);
    this.badge.dataset.state = state;
    text(this.time, state === "stopped" ? "" : timeOf(pipeline));
    render(this.buttons, [pipeline.id, state], () => steering(pipeline, state));
    this.error.hidden = !pipeline.error;
    text(this.error, pipeline.error || "");
    this.steps.draw(pipeline.nodes);
    this.drawMaker(maker);
    const asked = pipeline.id + state + answer;
    if (this.answered !== asked) {
      this.found = await get(`/distil/${encodeURIComponent(pipeline.id)}`);
      this.answered = asked;
    }
    await this.drawAnswer();
  }
  drawMaker(maker) {
    this.maker = maker;
    this.curve.draw(maker && { ...maker, unit: "steps" });
    render(this.notes, maker?.notes ?? [], (notes) => notes.map((one) => h("div", { class: "ss-warnline" }, one)));
    const preview = maker?.preview;
    this.forming.hidden = !preview;
    if (!preview || this.forming.dataset.preview === preview) return;
    this.forming.dataset.preview = preview;
    this.forming.src = `${BASE}/distil/previews/${preview}`;
    this.forming.alt = `the set as it forms, one row per class: ${maker.labels.join(", ")}`;
    render(this.formingLabels, maker.labels.length <= 30 ? maker.labels : [], (labels) =>
      labels.map((label) => h("span", { title: label }, label)),
    );
  }
  async drawAnswer() {
    const { folds, pipeline, sentence } = this.found;
    if (this.folds.dataset.pipeline !== pipeline) {
      this.folds.dataset.pipeline = pipeline;
      this.folds.value = ""; // another recipe begins with its first fold
      forget(this.folds);
    }
    offer(
      this.folds,
      folds.map((one) => [one.fold, `fold ${one.fold + 1}`]),
    );
    this.folds.hidden = folds.length < 2;
    const fold = folds.find((one) => String(one.fold) === this.folds.value) || folds[0],
      set = fold?.set;
    this.sentence.hidden = !sentence;
    text(this.sentence, sentence);
    this.judge.draw(fold?.table);
    this.formingBox.hidden = !!set || this.forming.hidden;
    this.sheet.hidden = this.after.hidden = !set;
    text(this.sheetTitle, titleOf(set, this.maker));
    this.given = set && { "ss-train-synthetic": set.id, ...(fold.shots ? { "ss-train-real": fold.shots } : {}) };
    if (!set) return;
    render(this.sheet, set.id, () => sheet(set));
    const path = `/distil/${encodeURIComponent(pipeline)}/export`;
    await this.export.draw(path, `Export these ${set.images} images`, fold.exports, fold.fold);
  }
}

function titleOf(set, maker) {
  if (set) return `The set: ${set.images} images of ${set.classes} classes`;
  if (maker?.preview) return `The set as it forms, after ${maker.done} of ${maker.total} updates`;
  if (maker?.state !== "running") return "The set appears here.";
  return maker.kind === "distil.match"
    ? "The first picture comes with the first update."
    : "The pictures appear as soon as all are there.";
}

/** As large as fits into the height of a screen, whatever the shape of the set. */
function fitted({ currentTarget: image }) {
  image.style.maxWidth = `${Math.round((HIGHEST * image.naturalWidth) / image.naturalHeight)}px`;
}

customElements.define("studio-distil", Distil);
