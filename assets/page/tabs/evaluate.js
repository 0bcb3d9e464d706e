// Evaluate: the accuracies with their intervals as a plot and as a table, per class, and all comparisons beside each other.
import { accuracies } from "../charts/accuracies.js";
import { keep, query, review } from "../shared/address.js";
import { button, fill, h, link, offer, table, td, th, tr } from "../shared/dom.js";
import { percent, points, when } from "../shared/format.js";
import { get } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { Confusion } from "./confusion.js";

class Evaluate extends Asking {
  every = 4000;

  build() {
    this.pick = h("select", {
      class: "ss-select",
      "aria-label": "which comparison",
      onchange: () => this.choose(this.pick.value),
    });
    this.nothing = h(
      "div",
      { class: "ss-empty", hidden: true },
      "No comparison yet. A recipe ends with one: start it on the Start tab. So does a training of your own: see Train.",
    );
    this.head = h("div", { class: "ss-live-head" }, h("h2", {}, "Did it help?"), this.pick);
    this.box = h("div");
    this.append(this.nothing, this.head, this.box);
  }
  async look() {
    const rows = await get("/reports");
    this.nothing.hidden = rows.length > 0;
    this.head.hidden = this.box.hidden = !rows.length;
    if (!rows.length) return;
    offer(
      this.pick,
      rows.map((row) => [row.run, title(row)]),
    );
    const asked = query().get("report"),
      wanted = rows.some((row) => row.run === asked) ? asked : rows[0].run,
      looks = [wanted, rows.map((row) => row.run)];
    this.pick.value = wanted;
    if (this.shown === JSON.stringify(looks)) return;
    const report = await get(`/reports/${encodeURIComponent(wanted)}`);
    this.shown = JSON.stringify(looks);
    fill(this.box, this.answer(report), numbers(report), perClass(report), new Confusion(report).root, this.all(rows));
  }
  choose(report) {
    keep({ report });
    this.again();
  }
  answer(report) {
    const draws = report.difference ? report.difference.draws || 1 : 3;
    return h(
      "div",
      { class: "ss-card" },
      h("p", { class: "ss-sentence" }, report.sentence),
      accuracies(report.arms, report.n),
      h(
        "p",
        { class: "ss-muted" },
        `Split: test, n = ${report.n} different real photos, ${report.folds.length} ` +
          `fold${report.folds.length === 1 ? "" : "s"}. Intervals: 95 %, over ${report.interval_over}. ` +
          `These test photos were looked at by ${report.looks} comparison${report.looks === 1 ? "" : "s"} so far.`,
      ),
      behind(report),
      taught(report),
      draws < 3 && h("p", { class: "ss-muted" }, draws < 2 ? ONE_DRAW : TWO_DRAWS),
    );
  }
  all(rows) {
    if (rows.length < 2) return null;
    const names = Object.keys(rows[0].differs),
      shown = query().get("report") || rows[0].run;
    const value = (found) => (Array.isArray(found) ? found.join(", ") : String(found ?? ""));
    const line = (row) =>
      h(
        "tr",
        { onclick: () => this.choose(row.run), "aria-selected": String(row.run === shown) },
        td("", link(when(row.created))),
        names.map((name) => td("", value(row.differs[name]))),
        td("n", row.gain ? points(row.gain.value) : ""),
        td("n", row.gain ? `${points(row.gain.low)} to ${points(row.gain.high)}` : ""),
        td("n", row.gain ? String(row.gain.n) : ""),
      );
    return h(
      "div",
      { class: "ss-card ss-scroll", "data-part": "compared" },
      h("h3", {}, "All comparisons, by what differs"),
      h("p", { class: "ss-muted" }, "Gain: real + synthetic minus real only, in points of accuracy on test photos."),
      table(
        [
          th("", "When"),
          names.map((name) => th("", name)),
          th("n", "Gain"),
          th("n", "95 % interval"),
          th("n", "n, test"),
        ],
        rows.map(line),
        "ss-list",
      ),
    );
  }
}

const ONE_DRAW =
    "There is one draw of shots: the interval does not know how other shots would have done. " +
    "Run three or more folds for that.",
  TWO_DRAWS = "Two draws of shots say little of other draws, so the interval is wide. Run three or more folds.";

const title = ({ asked, created }) =>
  `${asked.recipe || "comparison by hand"} on ${asked.data || "?"}, ` +
  `${asked.shots || "?"} shots, ${asked.preset || ""} · ${new Date(1000 * created).toLocaleString()}`;

// The images that were learned from: the test photos themselves are nobody's to choose by.
function behind({ pipeline, folds }) {
  if (!pipeline) return null;
  const open = (words, fold = null) => button(words, () => review({ what: pipeline, fold }));
  return h(
    "div",
    { class: "ss-buttons" },
    open("Review the images behind these numbers"),
    folds.length > 1 && folds.map((one) => open(`Fold ${one.fold + 1}`, one.fold)),
  );
}

// The same images, measured as sets.
const taught = (report) =>
  report.taught.length > 0 &&
  h(
    "dl",
    { class: "ss-taught", "aria-label": "measures of the images that these classifiers were trained on" },
    report.taught.map((one) => [
      h("dt", {}, one.name),
      h("dd", {}, h("studio-measured", { set: one.id, name: one.name })),
    ]),
  );

function numbers({ arms, folds }) {
  const against = arms.some((arm) => arm.against);
  const line = (arm) =>
    tr(
      h("td", { title: arm.help }, arm.words),
      td("n", percent(arm.value)),
      td("n", `${percent(arm.low)} to ${percent(arm.high)}`),
      folds.map((fold) => td("n", fold[arm.arm] === null ? "" : percent(fold[arm.arm]))),
      against && td("n", arm.against ? difference(arm.against) : ""),
    );
  const minus = th("n", "First minus this (95 %)", {
    title: "The accuracy of the first classifier minus that of this one, in points, on the same test photos",
  });
  const heads = [
    th("", "Classifier"),
    th("n", "Accuracy"),
    th("n", "95 % interval"),
    folds.map((fold) => th("n", `fold ${fold.fold + 1} (n = ${fold.test_images})`)),
    against && minus,
  ];
  return h("div", { class: "ss-card ss-scroll" }, h("h3", {}, "The numbers"), table(heads, arms.map(line)));
}

const difference = ({ value, low, high }) => `${points(value)} (${points(low)} to ${points(high)})`;

function perClass({ arms, per_class: found, labels }) {
  const accuracy = (one) =>
    h(
      "td",
      { class: "n", title: one ? `95 % interval ${percent(one.low)} to ${percent(one.high)}` : "" },
      one ? percent(one.accuracy) : "",
    );
  const line = (label) => {
    const all = arms.map((arm) => found[arm.arm][label]),
      before = found.real_only?.[label],
      after = found.real_and_synthetic?.[label];
    return tr(
      td("", label),
      td("n", String(all.map((one) => one?.n).find(Boolean) || 0)),
      all.map(accuracy),
      td("n", before && after ? points(after.accuracy - before.accuracy) : ""),
    );
  };
  return h(
    "details",
    { class: "ss-card ss-scroll", open: labels.length <= 30 },
    h("summary", {}, h("b", {}, "Per class")),
    table(
      [th("", "Class"), th("n", "n, test"), arms.map((arm) => th("n", arm.words)), th("n", "Change")],
      labels.map(line),
    ),
  );
}

customElements.define("studio-evaluate", Evaluate);
