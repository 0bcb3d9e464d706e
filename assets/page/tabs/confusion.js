// The confusion matrix of a comparison, and the test photos of one of its cells.
import { review } from "../shared/address.js";
import { button, fill, h, table, th, tr } from "../shared/dom.js";
import { wordsOf } from "../shared/say.js";
import { Away, get } from "../shared/server.js";
import { thumb } from "./pictures.js";

const SURE = "real_and_synthetic"; // the classifier that is shown first

export class Confusion {
  constructor(report) {
    this.report = report;
    this.box = h("div", { class: "ss-scroll" });
    this.photos = h("div", { role: "region", "aria-label": "photos of the chosen cell", "aria-live": "polite" });
    this.pick = h(
      "select",
      {
        class: "ss-select",
        "aria-label": "which classifier",
        value: report.arms.some((arm) => arm.arm === SURE) ? SURE : report.arms[0].arm,
        onchange: () => this.draw(),
      },
      report.arms.map((arm) => h("option", { value: arm.arm }, arm.words)),
    );
    this.draw();
    this.root = h(
      "details",
      { class: "ss-card", open: report.labels.length <= 20 },
      h("summary", {}, h("b", {}, "Confusion matrix")),
      h("p", {}, this.pick),
      h(
        "p",
        { class: "ss-muted" },
        "Rows: what the photo shows. Columns: what the classifier said. Counts of answers over all folds, " +
          `for ${report.n} test photos. Click a cell to see them.`,
      ),
      this.box,
      this.photos,
    );
  }
  draw() {
    const { labels, confusion } = this.report,
      counts = confusion[this.pick.value],
      centred = { style: "text-align:center" };
    const heads = [th("", "Shown \\ said"), labels.map((label) => th("", label, { title: label, ...centred }))];
    const lines = labels.map((label, row) =>
      tr(
        th("", label, { title: label }),
        labels.map((said, column) => this.cell(label, said, counts[row][column], counts[row])),
      ),
    );
    fill(this.photos);
    fill(this.box, table(heads, lines, "ss-confusion", { style: "width:auto" }));
  }
  cell(truth, said, count, row) {
    const total = row.reduce((sum, one) => sum + one, 0),
      words = `${count} of ${total} “${truth}” called “${said}”`,
      hue = truth === said ? "var(--ss-accent)" : "var(--ss-bad)",
      depth = Math.round(8 + (34 * count) / Math.max(1, total));
    return h(
      "td",
      {
        class: "ss-cell",
        title: words,
        style: count ? `background:color-mix(in srgb, ${hue} ${depth}%, transparent)` : "",
      },
      count > 0 &&
        h(
          "button",
          { type: "button", class: "ss-cellbutton", "aria-label": words, onclick: () => this.open(truth, said) },
          String(count),
        ),
    );
  }
  async open(truth, said) {
    const path = `/reports/${encodeURIComponent(this.report.run)}/cell`;
    let found;
    try {
      found = await get(path, { arm: this.pick.value, truth, said });
    } catch (error) {
      const why = error instanceof Away ? "The server cannot be reached. Click again." : wordsOf(error);
      fill(this.photos, h("div", { class: "ss-badline", role: "alert" }, why));
      return;
    }
    fill(this.photos, this.shown(found, truth, said));
    this.photos.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }
  shown({ count, images }, truth, said) {
    const right = truth === said,
      { pipeline, reviewable } = this.report;
    const made = (label) =>
      button(`Review the images made for “${label}”`, () => review({ what: pipeline, labels: [label] }));
    return [
      h("h3", {}, right ? `“${truth}”, recognised: ${count}` : `“${truth}”, called “${said}”: ${count}`),
      h(
        "div",
        { class: "ss-newest" },
        images.map((one) => photo(one, truth)),
      ),
      h(
        "p",
        { class: "ss-muted" },
        `${images.length < count ? `The first ${images.length} of ${count}. ` : ""}These ` +
          "are test photos: look at them to understand mistakes. Whoever chooses images or settings by them " +
          "can no longer believe the numbers.",
      ),
      reviewable && h("div", { class: "ss-buttons" }, made(truth), right ? null : made(said)),
    ];
  }
}

const photo = (one, truth) =>
  h("img", {
    src: thumb(one.digest),
    alt: `test photo of ${truth}`,
    title: `test photo, fold ${one.fold + 1}`,
    loading: "lazy",
    width: 96,
    height: 96,
  });
