// Losses over steps, with a smoothing that the reader sets.
import { differs, h, text } from "../shared/dom.js";
import { recall, remember } from "../shared/storage.js";
import { Plot } from "./plot.js";

const KEY = "synthstudio.smoothing",
  LEAST = 0.85;

/** How much curves are smoothed: one choice for all of them, kept in this browser. */
function smoothing(redraw) {
  const kept = Number(recall(KEY, LEAST));
  return h("input", {
    type: "range",
    min: 0,
    max: 0.98,
    step: 0.01,
    value: kept >= 0 && kept <= 0.98 ? kept : LEAST,
    "aria-label": "smoothing of the loss",
    oninput: (event) => {
      remember(KEY, Number(event.currentTarget.value));
      redraw();
    },
  });
}

function smoothed(points, weight) {
  let last = points[0][1];
  return points.map(([x, y]) => {
    last = weight * last + (1 - weight) * y;
    return [x, last];
  });
}

const foot = (words, slider) =>
  h("div", { class: "ss-curve-foot" }, words, h("label", { class: "ss-muted" }, "Smoothing ", slider));

/** Every value faintly, a smoothed line, and the loss on the fixed probe set, which does not jitter. */
export class CurveBox {
  constructor() {
    this.title = h("h3");
    this.plot = new Plot();
    this.words = h("span", { class: "ss-muted ss-number" });
    this.slider = smoothing(() => this.draw(this.shown));
    this.root = h(
      "div",
      { class: "ss-curvebox", hidden: true },
      this.title,
      this.plot.root,
      foot(this.words, this.slider),
    );
  }
  /** The curves of a run, called `words`; nothing where there is no run. */
  draw(run) {
    this.shown = run;
    const points = run?.curves.loss || [],
      probe = run?.curves.probe_loss || [];
    this.root.hidden = points.length < 2;
    const looks = [run?.words, run?.total, points.length, points.at(-1), probe.length, this.slider.value];
    if (this.root.hidden || !differs(this.root, looks)) return;
    text(this.title, `Loss: ${run.words}`);
    const smooth = smoothed(points, Number(this.slider.value)),
      all = [...smooth, ...probe].map(([, y]) => y);
    const fixed = probe.length
      ? ` · on the fixed probe set (shots) ${probe[0][1].toPrecision(3)} → ${probe.at(-1)[1].toPrecision(3)}`
      : "";
    text(this.words, `loss ${smooth.at(-1)[1].toPrecision(3)}${fixed}`);
    this.plot.draw(
      [
        { points, kind: "ss-curve-raw" },
        { points: smooth, kind: "ss-curve-loss" },
        { points: probe, kind: "ss-curve-probe" },
      ],
      {
        low: Math.min(...all),
        high: Math.max(...all),
        end: Math.max(run.total, points.at(-1)[0]),
        x: run.unit || "steps",
        y: "loss",
        words: this.words.textContent,
      },
    );
  }
}

/** The losses of several runs over each other, each with its name. */
export class CompareBox {
  constructor() {
    this.plot = new Plot();
    this.names = h("ul", { class: "ss-legend" });
    this.slider = smoothing(() => this.draw(this.runs));
    this.root = h(
      "div",
      { class: "ss-card", hidden: true, role: "region", "aria-label": "losses compared" },
      h("h3", {}, "Losses compared"),
      this.plot.root,
      this.names,
      foot(h("span", { class: "ss-muted" }, "Losses of different methods or data do not share a scale."), this.slider),
    );
  }
  draw(runs) {
    this.runs = runs;
    this.root.hidden = runs.length < 2;
    const weight = Number(this.slider.value);
    if (this.root.hidden || !differs(this.root, [runs, weight])) return;
    const lines = runs
      .map((run, at) => ({ run, at, loss: run.curves.loss || [], name: run.name || run.kind_words }))
      .map((one) => ({
        ...one,
        kind: `ss-line ss-line-${one.at}`,
        points: one.loss.length > 1 ? smoothed(one.loss, weight) : [],
      }));
    this.names.replaceChildren(...lines.map(legend));
    const drawn = lines.filter((line) => line.points.length);
    if (!drawn.length) return;
    const all = drawn.flatMap((line) => line.points.map(([, y]) => y)),
      units = [...new Set(drawn.map(({ run }) => run.unit || "steps"))];
    this.plot.draw(drawn, {
      low: Math.min(...all),
      high: Math.max(...all),
      end: Math.max(...drawn.map((line) => line.points.at(-1)[0])),
      x: units.join(" or "),
      y: "loss",
      words: `losses of ${drawn.map((line) => line.name).join(", ")}`,
    });
  }
}

function legend({ run, at, name, points }) {
  const last = points.at(-1);
  const said = last ? `loss ${last[1].toPrecision(3)} after ${last[0]} ${run.unit}` : "no loss yet";
  return h(
    "li",
    {},
    h("i", { class: `ss-swatch ss-line-${at}`, "aria-hidden": "true" }),
    `${name} `,
    h("span", { class: "ss-muted ss-number" }, said),
  );
}
