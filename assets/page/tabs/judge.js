// The judge's table: what a small set taught, network by network, with every baseline.
import { button, h, render, table, td, th } from "../shared/dom.js";
import { duration, many, percent, points } from "../shared/format.js";
import { recall, remember } from "../shared/storage.js";

const KEY = "synthstudio.judge-plain";
const ROLES = { method: "the method", other: "another set", baseline: "baseline", reference: "for reference" };

const small = (words) => h("span", { class: "ss-interval" }, words);

const accuracy = (found) =>
  found
    ? td(
        "n",
        h("b", {}, percent(found.value)),
        small(`${(100 * found.low).toFixed(1)} – ${(100 * found.high).toFixed(1)}`),
      )
    : td("n ss-muted", "–");

function lead(found) {
  if (!found) return td("n ss-muted", "");
  const side = found.low > 0 ? "ahead" : found.high < 0 ? "behind" : "even";
  return h(
    "td",
    { class: "n", "data-lead": side },
    h("b", {}, points(found.value)),
    small(`${points(found.low)} to ${points(found.high)}`),
  );
}

export class Judge {
  constructor() {
    this.plain = Number(recall(KEY, 0)) === 1;
    this.root = h("div", { class: "ss-judge", hidden: true });
  }
  draw(found) {
    this.root.hidden = !found;
    if (found) render(this.root, [found.judge, this.plain], () => this.parts(found));
  }
  parts(found) {
    const pressed = (words, plain) => {
      const choose = () => {
        this.plain = plain;
        remember(KEY, plain ? 1 : 0);
        this.draw(found);
        this.root.querySelector("[aria-pressed=true]").focus();
      };
      return button(words, choose, "", { "aria-pressed": String(this.plain === plain) });
    };
    return [
      h(
        "div",
        { class: "ss-live-head" },
        h("h3", {}, `The judge’s table: accuracy, ${many(found.per_class, "image")} per class`),
        h(
          "span",
          { class: "ss-buttons", role: "group", "aria-label": "how the networks were trained" },
          pressed("With augmentation", false),
          pressed("Without", true),
        ),
      ),
      h(
        "div",
        { class: "ss-scroll", tabindex: 0, role: "region", "aria-label": "the judge’s table" },
        table(
          heads(found),
          found.rows.map((row) => line(found, row, this.plain ? "plain" : "augmented")),
          "ss-judge-table",
        ),
      ),
      h("p", { class: "ss-muted" }, basis(found)),
    ];
  }
}

function heads({ architectures, encoder, seen }) {
  const head = (kind, words, title = null) => th(kind, words, { scope: "col", title });
  const network = (name) =>
    seen.includes(name)
      ? head("n", `${name} (own)`, "the method was made with this network")
      : head("n", name, "the method never saw this network");
  return [
    head("", "Trained on"),
    head("n", "Never seen", "mean over the networks that the method never saw"),
    head("n", "Method leads by", "how far the method is ahead of this row on networks it never saw, in points"),
    architectures.map(network),
    encoder && head("n", "Probe", `linear probe on frozen features of ${encoder}`),
    ["Images", "Trainings", "Made in", "Per training"].map((words) => head("n", words)),
  ];
}

function line({ architectures, best, encoder }, row, which) {
  const cells = row.cells[which],
    made = row.seconds_to_make,
    each = row.seconds_per_training;
  return h(
    "tr",
    { "data-arm": row.arm, "data-role": row.role },
    h("th", { scope: "row" }, row.title, small(row.arm === best ? "best baseline" : ROLES[row.role] || row.role)),
    accuracy(cells.unseen),
    lead(cells.lead),
    architectures.map((name) => accuracy(cells[name])),
    encoder && accuracy(row.probe),
    td("n", String(row.images)),
    td("n", String(row.trainings)),
    td("n", made ? (made < 1 ? "< 1 s" : duration(made)) : "–"),
    td("n", each === null ? "–" : `${each.toFixed(2)} s`),
  );
}

const basis = (found) =>
  `Split: test, n = ${found.n} real photos; seen by ${many(found.looks, "evaluation")} so far. ` +
  `Every network starts from nothing and takes ${found.training_steps} steps, whatever it learns from. ` +
  `${found.seeds} trainings of each network (seeds from ${found.seed}); random real: ${found.draws} draws. ` +
  `Intervals: 95 %, Student’s t over trainings${found.encoder ? "; of a probe over test photos" : ""}. ` +
  "Lead: 95 % interval over test photos and trainings; coloured where it excludes zero. " +
  `Never seen: ${found.unseen.join(", ")}.`;
