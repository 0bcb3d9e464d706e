// The panel of a recipe: its steps, curve, newest pictures and answer. On Start the one that the page watches, on Train the
// newest training by hand.
import { accuracies } from "../charts/accuracies.js";
import { CurveBox } from "../charts/curves.js";
import { go, keep, review } from "../shared/address.js";
import { choose } from "../shared/choices.js";
import { button, h, inSight, link, render, text } from "../shared/dom.js";
import { duration } from "../shared/format.js";
import { renaming, renamingRun } from "../shared/renaming.js";
import { act, say } from "../shared/say.js";
import { get, post } from "../shared/server.js";
import { Asking, watch } from "../shared/state.js";
import { Pictures } from "./pictures.js";
import { Steps } from "./steps.js";

/** A recipe's state as it is shown, also while it is being stopped. */
export const shownState = (pipeline) =>
  pipeline.state === "stopped" && pipeline.nodes.some((node) => node.state === "stopping")
    ? "stopping"
    : pipeline.state;

/** How long it took, and about how long it will take. */
export const timeOf = (pipeline) =>
  duration(pipeline.seconds) + (pipeline.left ? `, about ${duration(pipeline.left)} left` : "");

export const foldsOf = (pipeline) => (pipeline.folds === 1 ? "1 fold" : `${pipeline.folds} folds`);

/** The buttons that stop and resume a recipe. */
export const steering = (pipeline, state) => {
  const path = `/pipelines/${encodeURIComponent(pipeline.id)}`;
  return [
    state === "running" && act("Stop", `${path}/stop`, "quiet"),
    ["stopped", "failed"].includes(state) && act("Resume", `${path}/resume`, "strong"),
  ];
};

class Panel extends Asking {
  build() {
    this.hidden = true; // until the first state says that there is something to show
    this.name = h("h2");
    this.naming = h("span");
    this.about = h("span", { class: "ss-muted" });
    this.others = h("p", { class: "ss-muted", hidden: true });
    this.badge = h("span", { class: "ss-state", role: "status", "aria-live": "polite" });
    this.time = h("span", { class: "ss-muted ss-number" });
    this.buttons = h("span", { class: "ss-buttons" });
    this.error = h("div", { class: "ss-badline", role: "alert", hidden: true });
    this.answer = h("div", { class: "ss-answer", hidden: true });
    this.steps = new Steps();
    this.picturesTitle = h("h3", {}, "Newest images");
    this.pictures = new Pictures();
    this.curve = new CurveBox();
    this.panel = h(
      "div",
      {},
      h(
        "div",
        { class: "ss-live-head" },
        h("div", {}, h("div", { class: "ss-named" }, this.name, this.naming), this.about, this.others),
        h("div", { class: "ss-live-right" }, this.badge, this.time, this.buttons),
      ),
      this.error,
      this.answer,
      h(
        "div",
        { class: "ss-live-body" },
        h("div", {}, this.steps.root),
        h("div", {}, this.picturesTitle, this.pictures.root, this.curve.root),
      ),
    );
    this.append(this.panel);
  }
  draw({ pipeline, pipelines }) {
    this.hidden = !pipeline;
    if (!pipeline) return;
    const state = shownState(pipeline);
    Object.assign(this.dataset, { state: pipeline.state, pipeline: pipeline.id });
    this.drawName(pipeline);
    this.drawOthers(pipelines.filter((one) => one.state === "running" && one.id !== pipeline.id));
    text(
      this.about,
      `${pipeline.named ? `${pipeline.title} · ` : ""}${pipeline.data} · ${pipeline.shots_words} · ` +
        `${pipeline.preset} · ${foldsOf(pipeline)} · ${pipeline.backbone}`,
    );
    text(this.badge, state);
    this.badge.dataset.state = state;
    text(this.time, timeOf(pipeline));
    this.time.hidden = pipeline.state === "stopped";
    render(this.buttons, [pipeline.id, state], () => steering(pipeline, state));
    this.error.hidden = !pipeline.error;
    text(this.error, pipeline.error || "");
    this.steps.draw(pipeline.nodes);
    this.picturesTitle.hidden = !pipeline.images.length;
    this.pictures.draw(pipeline.images);
    this.curve.draw(pipeline.shown);
    this.drawAnswer(pipeline);
  }
  drawName(pipeline) {
    text(this.name, pipeline.named ? pipeline.name : pipeline.title);
    if (this.querySelector(".ss-renaming")) return;
    render(this.naming, [pipeline.id, pipeline.name], () =>
      renamingRun(
        pipeline.id,
        () => pipeline.name || pipeline.title,
        (name) => text(this.name, name),
      ),
    );
  }
  // What else works or waits: it is a press away, and hides nothing of this one.
  drawOthers(others) {
    this.others.hidden = !others.length;
    const called = others.map((one) => [one.id, one.named ? one.name : `${one.title} on ${one.data}`]);
    render(this.others, called, () => ["Also asked for: ", called.map(([id, words]) => link(words, () => watch(id)))]);
  }
  drawAnswer(pipeline) {
    const { result } = pipeline;
    this.answer.hidden = !result;
    render(this.answer, result ? pipeline.id : "", () => result && this.answerOf(pipeline, result));
  }
  answerOf(pipeline, result) {
    const judged = !result.arms.length; // a small set has the judge's table instead
    const report = pipeline.nodes.find((node) => node.kind.startsWith("evaluate.") && !judged)?.run;
    const closer = () => {
      if (report) keep({ report });
      go(judged ? "distil" : "evaluate");
    };
    const train = () => (Object.keys(result.train).length ? choose(result.train, "train") : go("train"));
    return [
      h("p", { class: "ss-sentence" }, result.sentence),
      judged ? null : [accuracies(result.arms, result.n), h("p", { class: "ss-muted" }, basis(result))],
      result.eye && h("p", { class: "ss-muted", "data-part": "eye" }, `Eye: ${result.eye}`),
      h("p", { class: "ss-next" }, result.next || ""),
      h(
        "div",
        { class: "ss-buttons" },
        button("Look closer at the numbers", closer, "strong"),
        button("Review the images", () => review({ what: pipeline.id })),
        this.localName === "studio-training" ? null : button("Train a classifier", train),
        button("Export", () => go("export")),
        pipeline.keepable && keeping(pipeline),
      ),
    ];
  }
}

/** Asks for a name and keeps a run, with its shots and settings, as a recipe. */
const keeping = ({ id, recipe }) =>
  renaming(
    () => `my-${recipe}`,
    (name) => post("/recipes-saved", { pipeline: id, name }),
    ({ said }) => say(said, "note"),
    ["Keep as a recipe…", "name of the recipe"],
  );

/** What the accuracies of an answer rest on. */
const basis = ({ n, folds, counts }) =>
  `Accuracy on the test photos, which nothing else has touched (n = ${n}, ${folds} ` +
  `fold${folds === 1 ? "" : "s"}; whiskers: 95 % interval). ` +
  `${counts?.real} real and ${counts?.synthetic} synthetic images, ${counts?.kept} kept.`;

/** The newest training by hand, on its own tab: the same panel, whatever else the page watches. Until there is one, what
 * stood in its place. */
class Training extends Panel {
  build() {
    this.nothing = [...this.children];
    super.build();
    this.hidden = false;
    this.panel.hidden = true;
  }
  draw(now) {
    const newest = now.pipelines.find((one) => one.recipe === "by hand");
    for (const one of this.nothing) one.hidden = !!newest;
    if (!newest) this.panel.hidden = true;
    else if (inSight(this)) this.ask(newest);
  }
  async look(newest) {
    const now = await get("/state", { pipeline: newest.id });
    this.panel.hidden = false;
    super.draw(now);
  }
}

customElements.define("studio-live", Panel);
customElements.define("studio-training", Training);
