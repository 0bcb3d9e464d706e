// How few images would do? A slider over images per class: accuracy with its interval, points lost, the images, export.
import { drawShrinking } from "../charts/shrinking.js";
import { keep, query } from "../shared/address.js";
import { Answers } from "../shared/answers.js";
import { button, field, fill, fold, h, offer, render, svg, table, td, text, tr } from "../shared/dom.js";
import { duration, percent, progressWords, share } from "../shared/format.js";
import { act, wordsOf } from "../shared/say.js";
import { get } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { ExportBox, sheet } from "./small_sets.js";

const RULES = [
  ["k_means", "k-means: the most typical of each cluster"],
  ["herding", "herding: together like the mean"],
  ["k_center", "k-center: spread out"],
  ["random", "random"],
];
const id = (name) => `ss-shrink-${name}`;
const interval = (found) => `${(100 * found.low).toFixed(1)} to ${(100 * found.high).toFixed(1)}`;
const lost = (found) => `${Math.abs(100 * found.value).toFixed(1)} points ${found.value >= 0 ? "lost" : "gained"}`;
/** The interval of what `lost` says. */
const either = (found) => interval(found.value >= 0 ? found : { low: -found.high, high: -found.low });

class Shrink extends Asking {
  every = 2500;

  build() {
    this.nothing = [...this.children];
    for (const one of this.nothing) one.hidden = true; // until the first answer says so
    this.append(this.askForm(), this.resultCard());
    new ResizeObserver(() => this.report && this.plot()).observe(this.result);
  }
  askForm() {
    const input = (name, more) => h("input", { class: "ss-input", id: id(name), ...more });
    this.source = h("select", { class: "ss-select", id: id("source") });
    this.rule = h("select", { class: "ss-select", id: id("rule") });
    offer(this.rule, RULES);
    this.sizes = input("sizes", { value: "1, 2, 5, 10, 20, 50", maxlength: 200, size: 20 });
    this.settings = h("textarea", {
      class: "ss-input",
      id: id("settings"),
      rows: 3,
      maxlength: 2000,
      placeholder: "training_steps=300",
    });
    this.go = button("Draw the curve", () => this.begin(), "strong", { id: id("go") });
    this.answers = new Answers("shrink", {
      images: this.source,
      rule: this.rule,
      sizes: this.sizes,
      settings: this.settings,
    });
    this.form = h(
      "div",
      { class: "ss-card", hidden: true },
      h("h2", {}, "How few images would do?"),
      h(
        "p",
        { class: "ss-muted" },
        "A small network is trained on fewer and fewer images of a set, equally long each time, and asked " +
          "about validation photos: to choose a size is to choose, and the test photos stay untouched.",
      ),
      h(
        "div",
        { class: "ss-fields" },
        field("Set", this.source),
        field("Which images stay", this.rule),
        field("Images per class to try", this.sizes),
      ),
      fold(
        "More",
        field("Settings, one field=value per line (training_steps, seeds, width, image_size …)", this.settings),
      ),
      this.answers.root,
      this.go,
    );
    return this.form;
  }
  resultCard() {
    this.pick = h("select", {
      class: "ss-select",
      "aria-label": "which curve",
      hidden: true,
      onchange: () => {
        keep({ shrink: this.pick.value });
        this.again();
      },
    });
    this.badge = h("span", { class: "ss-state", role: "status", "aria-live": "polite" });
    this.buttons = h("span", { class: "ss-buttons" });
    this.name = h("h3");
    this.far = h("p", { class: "ss-muted ss-number" });
    this.meter = h("progress", { max: 100, value: 0, style: "width:100%", "aria-label": "trying fewer images" });
    this.error = h("div", { class: "ss-badline", role: "alert", hidden: true });
    this.chart = svg("svg", { class: "ss-shrink-chart", role: "img" });
    this.slider = h("input", {
      type: "range",
      min: 0,
      max: 0,
      step: 1,
      class: "ss-shrink-slider",
      id: id("slider"),
      oninput: () => this.moved(),
    });
    this.ends = h("span", { class: "ss-muted ss-number" });
    this.said = h("p", { class: "ss-shrink-said", "aria-live": "polite" });
    this.under = h("p", { class: "ss-muted" });
    this.images = h("div");
    this.export = new ExportBox("shrunk set", () => this.again());
    this.numbers = h("div", { class: "ss-scroll" });
    this.result = h(
      "div",
      { hidden: true },
      this.chart,
      h(
        "div",
        { class: "ss-shrink-drag" },
        h("label", { for: id("slider") }, "Images per class"),
        this.slider,
        this.ends,
      ),
      this.said,
      this.under,
      this.images,
      this.export.root,
      fold("The numbers", this.numbers),
    );
    this.card = h(
      "section",
      { class: "ss-card", hidden: true, "aria-label": "accuracy against images per class" },
      h(
        "div",
        { class: "ss-live-head" },
        this.name,
        h("div", { class: "ss-live-right" }, this.pick, this.badge, this.buttons),
      ),
      this.far,
      this.meter,
      this.error,
      this.result,
    );
    return this.card;
  }
  async begin() {
    const sizes = this.sizes.value
      .split(/[\s,;]+/)
      .filter(Boolean)
      .map(Number);
    if (sizes.some((one) => !Number.isInteger(one) || one < 1)) {
      this.answers.wrong("sizes", "Sizes are whole numbers of at least 1, with commas between them: 1, 2, 5, 10.");
      return;
    }
    this.go.disabled = true;
    const done = await this.answers.ask("/distil/shrink", {
      images: this.source.value,
      rule: this.rule.value,
      sizes,
      settings: this.settings.value,
    });
    if (done) keep({ shrink: done.run });
    this.go.disabled = false;
    this.again();
  }
  async look() {
    const wanted = query().get("shrink"),
      found = await get("/distil/shrink", wanted ? { run: wanted } : {});
    for (const one of this.nothing) one.hidden = found.sources.length > 0;
    this.form.hidden = !found.sources.length;
    this.card.hidden = !found.shown;
    offer(
      this.source,
      found.sources.map((one) => [one.images, one.title]),
    );
    if (found.shown) await this.fill(found);
  }
  async fill({ runs, shown }) {
    const { run, state, report } = shown,
      path = `/runs/${encodeURIComponent(run)}`;
    offer(
      this.pick,
      runs.map((one) => [one.run, `${one.title}, ${one.rule}, ${one.state}`]),
    );
    this.pick.hidden = runs.length < 2;
    this.pick.value = run;
    Object.assign(this.dataset, { state, run });
    this.working = ["queued", "running", "stopping"].includes(state);
    this.every = this.working ? 600 : 2500;
    text(this.name, `${shown.title}, ${shown.rule.replace("_", "-")}`);
    text(this.badge, shown.state_words);
    this.badge.dataset.state = state;
    render(this.buttons, [run, state], () => [
      ["queued", "running"].includes(state) && act("Stop", `${path}/stop`),
      ["stopped", "failed", "lost"].includes(state) && act("Resume", `${path}/resume`, "strong"),
    ]);
    const left = shown.left ? ` · about ${duration(shown.left)} left` : "";
    text(this.far, this.working && shown.total ? progressWords(shown) + left : "");
    this.far.hidden = this.meter.hidden = !this.working;
    this.meter.value = share(shown);
    this.error.hidden = !shown.error;
    text(this.error, shown.error || "");
    this.result.hidden = !report;
    this.report = report;
    if (!report) return;
    if (this.drawn !== run) {
      this.drawn = run;
      this.begun(report);
    }
    await this.exports();
  }
  begun(report) {
    const { points } = report,
      asked = Number(query().get("size")),
      found = points.findIndex((one) => one.images_per_class === (asked || 10));
    this.slider.max = points.length - 1;
    this.slider.value = found >= 0 ? found : points.length - 1;
    text(this.ends, `${points[0].images_per_class} to ${points.at(-1).images_per_class}`);
    fill(this.numbers, numbers(report));
    this.moved();
  }
  get point() {
    return this.report.points[Number(this.slider.value)];
  }
  moved() {
    const { report, point } = this,
      size = point.images_per_class,
      accuracy = percent(point.accuracy.value);
    keep({ size });
    this.dataset.size = size;
    this.slider.setAttribute("aria-valuetext", `${size} images per class, accuracy ${accuracy}, ${lost(point.lost)}`);
    fill(
      this.said,
      h("b", {}, `${size} a class: ${accuracy}`),
      ` (95 % interval ${interval(point.accuracy)}), `,
      h("b", {}, lost(point.lost)),
      ` against all ${report.full.images} images (95 % interval ${either(point.lost)}).`,
    );
    text(this.under, basis(report));
    this.plot();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.settled(size), 120);
  }
  // Quick dragging asks only for where one stops.
  async settled(size) {
    try {
      const found = await get(`/distil/shrink/${encodeURIComponent(this.drawn)}/${size}`);
      if (this.point.images_per_class !== size) return;
      fill(this.images, h("h3", {}, `The ${found.images} images that stay`), sheet(found));
      await this.exports();
    } catch (error) {
      wordsOf(error); // the bar says that the server is away; the next move asks again
    }
  }
  exports() {
    const { images_per_class: size, images, exports } = this.point,
      path = `/distil/shrink/${encodeURIComponent(this.drawn)}/${size}/export`;
    return this.export.draw(path, `Export these ${images} images`, exports);
  }
  plot() {
    const wide = this.result.clientWidth;
    if (wide) drawShrinking(this.chart, this.report, this.point, Math.max(260, wide));
  }
}

const basis = ({ n, seeds, architecture, steps, over }) =>
  `Split: validation, n = ${n} real photos; ${seeds} training${seeds === 1 ? "" : "s"} of ${architecture} per size, ` +
  `${steps} steps each; intervals: 95 %, over ${over}. Cheap runs: judge the size you choose on the test photos ` +
  "before you claim anything.";

function numbers({ points, full }) {
  const heads = ["Images per class", "Images", "Accuracy", "95 % interval", "Points lost", "95 % interval"];
  const line = (one) => {
    const all = one.images_per_class === null;
    return tr(
      td("n", all ? "all" : String(one.images_per_class)),
      td("n", String(one.images)),
      td("n", percent(one.accuracy.value)),
      td("n", interval(one.accuracy)),
      td("n", all ? "" : (100 * one.lost.value).toFixed(1)),
      td("n", all ? "" : interval(one.lost)),
    );
  };
  return table(
    heads.map((words) => h("th", { class: "n", scope: "col" }, words)),
    [...points, full].map(line),
  );
}

customElements.define("studio-shrink", Shrink);
