// Evaluate: the four numbers with intervals as a plot and as a table, per class, the confusion matrix and its photos.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el, Part, percent, numbers, query } = window.studio;
    const get = async (path) => {
      const answer = await fetch(BASE + path);
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    };
    const when = (seconds) =>
      new Date(1000 * seconds).toLocaleString([], {
        day: "numeric",
        month: "short",
        hour: "2-digit",
        minute: "2-digit",
      });
    const points = (value) => `${value >= 0 ? "+" : "−"}${Math.abs(100 * value).toFixed(1)}`;

    class Evaluate extends Part {
      build() {
        this.pick = el("select", { class: "ss-select", "aria-label": "which comparison" });
        this.pick.addEventListener("change", () => this.choose(this.pick.value));
        this.nothing = el(
          "div",
          { class: "ss-empty", hidden: true },
          "No comparison yet. A recipe ends with one: start it on the Start tab. So does a training of your own: see Train.",
        );
        this.head = el("div", { class: "ss-live-head" }, el("h2", {}, "Did it help?"), this.pick);
        this.box = el("div");
        this.append(this.nothing, this.head, this.box);
        this.known = "";
        this.shown = "";
      }
      async draw() {
        if (this.offsetParent === null || this.busy) return;
        this.busy = true;
        try {
          await this.load();
        } catch {
          /* the bar says that the server is away */
        } finally {
          this.busy = false;
        }
      }
      async load() {
        if (this.loaded && Date.now() - this.loaded < 4000) return;
        this.loaded = Date.now();
        const rows = await get("/reports");
        this.nothing.hidden = rows.length > 0;
        this.head.hidden = this.box.hidden = !rows.length;
        if (!rows.length) return;
        const key = rows.map((row) => row.run).join();
        if (key !== this.known) {
          this.known = key;
          this.rows = rows;
          this.pick.replaceChildren(
            ...rows.map((row) =>
              el(
                "option",
                { value: row.run },
                `${row.asked.recipe || "comparison by hand"} on ${row.asked.data || "?"}, ` +
                  `${row.asked.shots || "?"} shots, ${row.asked.preset || ""} · ` +
                  `${new Date(1000 * row.created).toLocaleString()}`,
              ),
            ),
          );
        }
        const wanted = rows.some((row) => row.run === query().get("report")) ? query().get("report") : rows[0].run;
        this.pick.value = wanted;
        if (this.shown !== wanted + key) {
          this.shown = wanted + key;
          this.fill(await get(`/reports/${encodeURIComponent(wanted)}`));
        }
      }
      choose(id) {
        const wanted = query();
        wanted.set("report", id);
        history.replaceState(null, "", `${location.pathname}?${wanted}`);
        this.loaded = 0;
        this.draw();
      }
      fill(report) {
        const against = report.arms.some((arm) => arm.against);
        const row = (arm) =>
          el(
            "tr",
            {},
            el("td", { title: arm.help }, arm.words),
            el("td", { class: "n" }, percent(arm.value)),
            el("td", { class: "n" }, `${percent(arm.low)} to ${percent(arm.high)}`),
            ...report.folds.map((fold) =>
              el("td", { class: "n" }, fold[arm.arm] === null ? "" : percent(fold[arm.arm])),
            ),
            against
              ? el(
                  "td",
                  { class: "n" },
                  arm.against
                    ? `${points(arm.against.value)} (${points(arm.against.low)} to ${points(arm.against.high)})`
                    : "",
                )
              : null,
          );
        const gain = report.difference;
        this.box.replaceChildren(
          ...[
            el(
              "div",
              { class: "ss-card" },
              el("p", { class: "ss-sentence" }, report.sentence),
              numbers(report.arms, report.n),
              el(
                "p",
                { class: "ss-muted" },
                `Split: test, n = ${report.n} different real photos, ${report.folds.length} ` +
                  `fold${report.folds.length === 1 ? "" : "s"}. Intervals: 95 %, over ${report.interval_over}. ` +
                  `These test photos were looked at by ${report.looks} comparison${report.looks === 1 ? "" : "s"} so far.`,
              ),
              this.reviewed(report),
              this.taught(report),
              gain && (gain.draws || 1) < 3
                ? el(
                    "p",
                    { class: "ss-muted" },
                    (gain.draws || 1) < 2
                      ? "There is one draw of shots: the interval does not know how other shots would have done. " +
                          "Run three or more folds for that."
                      : "Two draws of shots say little of other draws, so the interval is wide. Run three or more folds.",
                  )
                : null,
            ),
            el(
              "div",
              { class: "ss-card ss-scroll" },
              el("h3", {}, "The numbers"),
              el(
                "table",
                { class: "ss-table" },
                el(
                  "thead",
                  {},
                  el(
                    "tr",
                    {},
                    el("th", {}, "Classifier"),
                    el("th", { class: "n" }, "Accuracy"),
                    el("th", { class: "n" }, "95 % interval"),
                    ...report.folds.map((fold) =>
                      el("th", { class: "n" }, `fold ${fold.fold + 1} (n = ${fold.test_images})`),
                    ),
                    against
                      ? el(
                          "th",
                          {
                            class: "n",
                            title:
                              "The accuracy of the first classifier minus that of this one, in points, on the " +
                              "same test photos",
                          },
                          "First minus this (95 %)",
                        )
                      : null,
                  ),
                ),
                el("tbody", {}, ...report.arms.map(row)),
              ),
            ),
            this.classes(report),
            this.confusion(report),
            this.compared(),
          ].filter(Boolean),
        );
      }
      // The images that were learned from: the test photos themselves are nobody's to choose by.
      reviewed(report) {
        if (!report.pipeline) return null;
        const open = (words, fold = null) =>
          el(
            "button",
            {
              type: "button",
              class: "ss-button",
              onclick: () => window.studio.review({ what: report.pipeline, fold }),
            },
            words,
          );
        return el(
          "div",
          { class: "ss-buttons" },
          open("Review the images behind these numbers"),
          ...(report.folds.length > 1 ? report.folds.map((one) => open(`Fold ${one.fold + 1}`, one.fold)) : []),
        );
      }
      // The images behind the numbers, measured as sets.
      taught(report) {
        if (!report.taught.length) return null;
        return el(
          "dl",
          { class: "ss-taught", "aria-label": "measures of the images that taught these classifiers" },
          ...report.taught.flatMap((one) => [
            el("dt", {}, one.name),
            el("dd", {}, el("studio-measured", { set: one.id, name: one.name })),
          ]),
        );
      }
      classes(report) {
        const arms = report.arms,
          label = (name) =>
            el(
              "tr",
              {},
              el("td", {}, name),
              el(
                "td",
                { class: "n" },
                String(arms.map((arm) => report.per_class[arm.arm][name]?.n).find(Boolean) || 0),
              ),
              ...arms.map((arm) => {
                const found = report.per_class[arm.arm][name];
                return el(
                  "td",
                  { class: "n", title: found ? `95 % interval ${percent(found.low)} to ${percent(found.high)}` : "" },
                  found ? percent(found.accuracy) : "",
                );
              }),
              this.change(report, name),
            );
        return el(
          "details",
          { class: "ss-card ss-scroll", open: report.labels.length <= 30 },
          el("summary", {}, el("b", {}, "Per class")),
          el(
            "table",
            { class: "ss-table" },
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                el("th", {}, "Class"),
                el("th", { class: "n" }, "n, test"),
                ...arms.map((arm) => el("th", { class: "n" }, arm.words)),
                el("th", { class: "n" }, "Change"),
              ),
            ),
            el("tbody", {}, ...report.labels.map(label)),
          ),
        );
      }
      change(report, name) {
        const before = report.per_class.real_only?.[name],
          after = report.per_class.real_and_synthetic?.[name];
        return el("td", { class: "n" }, before && after ? points(after.accuracy - before.accuracy) : "");
      }
      confusion(report) {
        const box = el("div", { class: "ss-scroll" }),
          photos = el("div", { role: "region", "aria-label": "photos of the chosen cell", "aria-live": "polite" });
        const pick = el(
          "select",
          { class: "ss-select", "aria-label": "which classifier" },
          ...report.arms.map((arm) => el("option", { value: arm.arm }, arm.words)),
        );
        pick.value = report.arms.some((arm) => arm.arm === "real_and_synthetic")
          ? "real_and_synthetic"
          : report.arms[0].arm;
        const open = (truth, said) => this.cell(report, pick.value, truth, said, photos);
        const draw = () => {
          photos.replaceChildren();
          box.replaceChildren(this.matrix(report.labels, report.confusion[pick.value], open));
        };
        pick.addEventListener("change", draw);
        draw();
        return el(
          "details",
          { class: "ss-card", open: report.labels.length <= 20 },
          el("summary", {}, el("b", {}, "Confusion matrix")),
          el("p", {}, pick),
          el(
            "p",
            { class: "ss-muted" },
            "Rows: what the photo shows. Columns: what the classifier said. Counts of answers over all folds, " +
              `for ${report.n} test photos. Click a cell to see them.`,
          ),
          box,
          photos,
        );
      }
      async cell({ run, pipeline, reviewable }, arm, truth, said, photos) {
        const images = (label) =>
          el(
            "button",
            {
              type: "button",
              class: "ss-button",
              onclick: () => window.studio.review({ what: pipeline, labels: [label] }),
            },
            `Review the images made for “${label}”`,
          );
        const right = truth === said,
          wanted = new URLSearchParams({ arm, truth, said }),
          answer = await fetch(`${BASE}/reports/${encodeURIComponent(run)}/cell?${wanted}`).catch(() => null);
        const found = answer
          ? await answer.json().catch(() => ({}))
          : { detail: "The server cannot be reached. Click again." };
        if (!answer?.ok) {
          photos.replaceChildren(
            el("div", { class: "ss-badline", role: "alert" }, found.detail || "This cannot be shown."),
          );
          return;
        }
        photos.replaceChildren(
          el(
            "h3",
            {},
            right ? `“${truth}”, recognised: ${found.count}` : `“${truth}”, called “${said}”: ${found.count}`,
          ),
          el(
            "div",
            { class: "ss-newest" },
            ...found.images.map((one) =>
              el("img", {
                src: `${BASE}/thumbs/${one.digest}`,
                alt: `test photo of ${truth}`,
                title: `test photo, fold ${one.fold + 1}`,
                loading: "lazy",
                width: 96,
                height: 96,
              }),
            ),
          ),
          el(
            "p",
            { class: "ss-muted" },
            `${found.images.length < found.count ? `The first ${found.images.length} of ${found.count}. ` : ""}These ` +
              "are test photos: look at them to understand mistakes. Whoever chooses images or settings by them " +
              "can no longer believe the numbers.",
          ),
          reviewable ? el("div", { class: "ss-buttons" }, images(truth), right ? null : images(said)) : "",
        );
        photos.scrollIntoView({ behavior: "smooth", block: "nearest" });
      }
      matrix(labels, counts, open) {
        const cell = (row, column) => {
          const total = counts[row].reduce((a, b) => a + b, 0),
            share = counts[row][column] / Math.max(1, total),
            right = row === column;
          const words = `${counts[row][column]} of ${total} “${labels[row]}” called “${labels[column]}”`;
          return el(
            "td",
            {
              class: "ss-cell",
              title: words,
              style: counts[row][column]
                ? `background:color-mix(in srgb, ${right ? "var(--ss-accent)" : "var(--ss-bad)"} ` +
                  `${Math.round(8 + 34 * share)}%, transparent)`
                : "",
            },
            counts[row][column]
              ? el(
                  "button",
                  {
                    type: "button",
                    class: "ss-cellbutton",
                    "aria-label": words,
                    onclick: () => open(labels[row], labels[column]),
                  },
                  String(counts[row][column]),
                )
              : "",
          );
        };
        return el(
          "table",
          { class: "ss-table ss-confusion", style: "width:auto" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              el("th", {}, "Shown \\ said"),
              ...labels.map((label) => el("th", { title: label, style: "text-align:center" }, label)),
            ),
          ),
          el(
            "tbody",
            {},
            ...labels.map((label, row) =>
              el("tr", {}, el("th", { title: label }, label), ...labels.map((_, column) => cell(row, column))),
            ),
          ),
        );
      }
      compared() {
        if (this.rows.length < 2) return null;
        const names = Object.keys(this.rows[0].differs),
          shown = query().get("report") || this.rows[0].run;
        const value = (found) => (Array.isArray(found) ? found.join(", ") : String(found ?? ""));
        const line = (row) =>
          el(
            "tr",
            { onclick: () => this.choose(row.run), "aria-selected": String(row.run === shown) },
            el("td", {}, el("button", { type: "button", class: "ss-link" }, when(row.created))),
            ...names.map((name) => el("td", {}, value(row.differs[name]))),
            el("td", { class: "n" }, row.gain ? points(row.gain.value) : ""),
            el("td", { class: "n" }, row.gain ? `${points(row.gain.low)} to ${points(row.gain.high)}` : ""),
            el("td", { class: "n" }, row.gain ? String(row.gain.n) : ""),
          );
        return el(
          "div",
          { class: "ss-card ss-scroll", "data-part": "compared" },
          el("h3", {}, "All comparisons, by what differs"),
          el(
            "p",
            { class: "ss-muted" },
            "Gain: real + synthetic minus real only, in points of accuracy on test photos.",
          ),
          el(
            "table",
            { class: "ss-table ss-list" },
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                el("th", {}, "When"),
                ...names.map((name) => el("th", {}, name)),
                el("th", { class: "n" }, "Gain"),
                el("th", { class: "n" }, "95 % interval"),
                el("th", { class: "n" }, "n, test"),
              ),
            ),
            el("tbody", {}, ...this.rows.map(line)),
          ),
        );
      }
    }
    customElements.define("studio-evaluate", Evaluate);
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
