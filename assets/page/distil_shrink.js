// How few images would do? A slider over images per class: accuracy with its interval, points lost, the images, export.
(() => {
  "use strict";
  const boot = () => {
    const { el, svg, text, act, percent, duration, progressWords, query, Part, Answers, sheet, ExportBox, keep, get } =
      window.studio;
    const RULES = [
      ["k_means", "k-means: the most typical of each cluster"],
      ["herding", "herding: together like the mean"],
      ["k_center", "k-center: spread out"],
      ["random", "random"],
    ];
    const interval = (found) => `${(100 * found.low).toFixed(1)} to ${(100 * found.high).toFixed(1)}`;
    const lost = (found) => `${Math.abs(100 * found.value).toFixed(1)} points ${found.value >= 0 ? "lost" : "gained"}`;
    const either = (found) => interval(found.value >= 0 ? found : { low: -found.high, high: -found.low }); // of what "lost" says

    class Shrink extends Part {
      build() {
        this.nothing = [...this.children];
        for (const one of this.nothing) one.hidden = true; // until the first answer says so
        const id = (name) => `ss-shrink-${name}`;
        this.source = el("select", { class: "ss-select", id: id("source") });
        this.rule = el(
          "select",
          { class: "ss-select", id: id("rule") },
          ...RULES.map(([value, words]) => el("option", { value }, words)),
        );
        this.sizes = el("input", {
          class: "ss-input",
          id: id("sizes"),
          value: "1, 2, 5, 10, 20, 50",
          maxlength: 200,
          size: 20,
        });
        this.settings = el("textarea", {
          class: "ss-input",
          id: id("settings"),
          rows: 3,
          maxlength: 2000,
          placeholder: "training_steps=300",
        });
        this.go = el("button", { type: "button", class: "ss-button strong", id: id("go") }, "Draw the curve");
        this.go.addEventListener("click", () => this.begin());
        this.answers = new Answers("shrink", {
          images: this.source,
          rule: this.rule,
          sizes: this.sizes,
          settings: this.settings,
        });
        const field = (name, words, control) =>
          el("div", { class: "ss-field" }, el("label", { for: id(name) }, words), control);
        this.form = el(
          "div",
          { class: "ss-card", hidden: true },
          el("h2", {}, "How few images would do?"),
          el(
            "p",
            { class: "ss-muted" },
            "A small network is trained on fewer and fewer images of a set, equally long each time, and asked " +
              "about validation photos: to choose a size is to choose, and the test photos stay untouched.",
          ),
          el(
            "div",
            { class: "ss-fields" },
            field("source", "Set", this.source),
            field("rule", "Which images stay", this.rule),
            field("sizes", "Images per class to try", this.sizes),
          ),
          el(
            "details",
            {},
            el("summary", {}, "More"),
            field(
              "settings",
              "Settings, one field=value per line (training_steps, seeds, width, image_size …)",
              this.settings,
            ),
          ),
          this.answers.root,
          this.go,
        );
        this.pick = el("select", { class: "ss-select", "aria-label": "which curve", hidden: true });
        this.pick.addEventListener("change", () => {
          keep("shrink", this.pick.value);
          this.loaded = 0;
          this.listen();
        });
        this.badge = el("span", { class: "ss-state", role: "status", "aria-live": "polite" });
        this.buttons = el("span", { class: "ss-buttons" });
        this.name = el("h3");
        this.far = el("p", { class: "ss-muted ss-number" });
        this.meter = el("progress", { max: 100, value: 0, style: "width:100%", "aria-label": "trying fewer images" });
        this.error = el("div", { class: "ss-badline", role: "alert", hidden: true });
        this.chart = svg("svg", { class: "ss-shrink-chart", role: "img" });
        this.slider = el("input", {
          type: "range",
          min: 0,
          max: 0,
          step: 1,
          class: "ss-shrink-slider",
          id: id("slider"),
        });
        this.slider.addEventListener("input", () => this.moved());
        this.said = el("p", { class: "ss-shrink-said", "aria-live": "polite" });
        this.under = el("p", { class: "ss-muted" });
        this.images = el("div");
        this.export = new ExportBox("shrunk set", () => {
          this.loaded = 0;
          this.listen();
        });
        this.numbers = el("div", { class: "ss-scroll" });
        this.result = el(
          "div",
          { hidden: true },
          this.chart,
          el(
            "div",
            { class: "ss-shrink-drag" },
            el("label", { for: id("slider") }, "Images per class"),
            this.slider,
            (this.ends = el("span", { class: "ss-muted ss-number" })),
          ),
          this.said,
          this.under,
          this.images,
          this.export.root,
          el("details", {}, el("summary", {}, "The numbers"), this.numbers),
        );
        this.card = el(
          "section",
          { class: "ss-card", hidden: true, "aria-label": "accuracy against images per class" },
          el(
            "div",
            { class: "ss-live-head" },
            this.name,
            el("div", { class: "ss-live-right" }, this.pick, this.badge, this.buttons),
          ),
          this.far,
          this.meter,
          this.error,
          this.result,
        );
        this.append(this.form, this.card);
        new ResizeObserver(() => this.report && this.plot()).observe(this.chart.parentNode);
      }
      async begin() {
        const sizes = this.sizes.value
          .split(/[\s,;]+/)
          .filter(Boolean)
          .map(Number);
        if (sizes.some((one) => !Number.isInteger(one) || one < 1)) {
          const words = "Sizes are whole numbers of at least 1, with commas between them: 1, 2, 5, 10.";
          this.answers.refuse(words, { sizes: words });
          return;
        }
        this.go.disabled = true;
        const done = await this.answers.ask("/distil/shrink", {
          images: this.source.value,
          rule: this.rule.value,
          sizes,
          settings: this.settings.value,
        });
        if (done) keep("shrink", done.run);
        this.go.disabled = false;
        this.loaded = 0;
        this.listen();
      }
      async draw() {
        const wait = this.working ? 600 : 2500;
        if (this.offsetParent === null || this.busy || Date.now() - (this.loaded || 0) < wait) return;
        this.busy = true;
        this.loaded = Date.now();
        try {
          const wanted = query().get("shrink"),
            found = await get(`/distil/shrink${wanted ? `?run=${encodeURIComponent(wanted)}` : ""}`);
          for (const one of this.nothing) one.hidden = found.sources.length > 0;
          this.form.hidden = !found.sources.length;
          this.card.hidden = !found.shown;
          this.offer(found.sources);
          if (found.shown) await this.fill(found);
        } catch (error) {
          if (!(error instanceof TypeError)) console.info(String(error)); /* the bar says that the server is away */
        } finally {
          this.busy = false;
        }
      }
      offer(sources) {
        const key = sources.map((one) => one.images).join();
        if (this.source.dataset.key === key) return;
        this.source.dataset.key = key;
        const chosen = this.source.value;
        this.source.replaceChildren(...sources.map((one) => el("option", { value: one.images }, one.title)));
        if (sources.some((one) => one.images === chosen)) this.source.value = chosen;
      }
      async fill({ runs, shown }) {
        const key = JSON.stringify(runs.map((one) => [one.run, one.state]));
        if (this.pick.dataset.key !== key) {
          this.pick.dataset.key = key;
          this.pick.replaceChildren(
            ...runs.map((one) => el("option", { value: one.run }, `${one.title}, ${one.rule}, ${one.state}`)),
          );
        }
        this.pick.hidden = runs.length < 2;
        this.pick.value = shown.run;
        this.dataset.state = shown.state;
        this.dataset.run = shown.run;
        this.working = ["queued", "running", "stopping"].includes(shown.state);
        text(this.name, `${shown.title}, ${shown.rule.replace("_", "-")}`);
        text(this.badge, shown.state_words);
        this.badge.dataset.state = shown.state;
        const steer = shown.run + shown.state,
          path = `/runs/${encodeURIComponent(shown.run)}`;
        if (this.steered !== steer) {
          this.steered = steer;
          this.buttons.replaceChildren(
            ...[
              ["queued", "running"].includes(shown.state) ? act("Stop", `${path}/stop`) : null,
              ["stopped", "failed", "lost"].includes(shown.state) ? act("Resume", `${path}/resume`, "strong") : null,
            ].filter(Boolean),
          );
        }
        text(
          this.far,
          this.working && shown.total
            ? progressWords(shown) + (shown.left ? ` · about ${duration(shown.left)} left` : "")
            : "",
        );
        this.far.hidden = this.meter.hidden = !this.working;
        this.meter.value = shown.total ? (100 * shown.done) / shown.total : 0;
        this.error.hidden = !shown.error;
        text(this.error, shown.error || "");
        this.result.hidden = !shown.report;
        this.report = shown.report;
        if (!shown.report) return;
        if (this.drawn !== shown.run) {
          this.drawn = shown.run;
          this.begun(shown.report);
        }
        await this.exports();
      }
      begun(report) {
        const points = report.points,
          asked = Number(query().get("size"));
        this.slider.max = points.length - 1;
        const found = points.findIndex((one) => one.images_per_class === (asked || 10));
        this.slider.value = found >= 0 ? found : points.length - 1;
        text(this.ends, `${points[0].images_per_class} to ${points.at(-1).images_per_class}`);
        const line = (one) =>
          el(
            "tr",
            {},
            el("td", { class: "n" }, one.images_per_class === null ? "all" : String(one.images_per_class)),
            el("td", { class: "n" }, String(one.images)),
            el("td", { class: "n" }, percent(one.accuracy.value)),
            el("td", { class: "n" }, interval(one.accuracy)),
            el("td", { class: "n" }, one.images_per_class === null ? "" : (100 * one.lost.value).toFixed(1)),
            el("td", { class: "n" }, one.images_per_class === null ? "" : interval(one.lost)),
          );
        this.numbers.replaceChildren(
          el(
            "table",
            { class: "ss-table" },
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                ...["Images per class", "Images", "Accuracy", "95 % interval", "Points lost", "95 % interval"].map(
                  (words) => el("th", { class: "n", scope: "col" }, words),
                ),
              ),
            ),
            el("tbody", {}, ...[...points, report.full].map(line)),
          ),
        );
        this.moved();
      }
      get point() {
        return this.report.points[Number(this.slider.value)];
      }
      async moved() {
        const { report, point } = this,
          size = point.images_per_class;
        keep("size", size);
        this.dataset.size = size;
        this.slider.setAttribute(
          "aria-valuetext",
          `${size} images per class, accuracy ${percent(point.accuracy.value)}, ${lost(point.lost)}`,
        );
        this.said.replaceChildren(
          el("b", {}, `${size} a class: ${percent(point.accuracy.value)}`),
          ` (95 % interval ${interval(point.accuracy)}), `,
          el("b", {}, lost(point.lost)),
          ` against all ${report.full.images} images (95 % interval ${either(point.lost)}).`,
        );
        text(
          this.under,
          `Split: validation, n = ${report.n} real photos; ${report.seeds} ` +
            `training${report.seeds === 1 ? "" : "s"} of ${report.architecture} per size, ${report.steps} steps ` +
            `each; intervals: 95 %, over ${report.over}. Cheap runs: judge the size you choose on the test photos ` +
            "before you claim anything.",
        );
        this.plot();
        clearTimeout(this.settling);
        this.settling = setTimeout(async () => {
          try {
            const found = await get(`/distil/shrink/${encodeURIComponent(this.drawn)}/${size}`);
            if (this.point.images_per_class === size) {
              this.images.replaceChildren(el("h3", {}, `The ${found.images} images that stay`), sheet(found));
              await this.exports();
            }
          } catch {
            /* the bar says that the server is away; the next move asks again */
          }
        }, 120);
      }
      exports() {
        const point = this.point;
        return this.export.draw(
          `/distil/shrink/${encodeURIComponent(this.drawn)}/${point.images_per_class}/export`,
          `Export these ${point.images} images`,
          point.exports,
        );
      }
      // Drawn in pixels of the screen, so that its words keep their size on a phone.
      plot() {
        const wide = Math.max(260, this.chart.parentNode.clientWidth),
          high = 230,
          { points, full } = this.report;
        if (!this.chart.parentNode.clientWidth) return;
        const all = [...points, full].flatMap((one) => [one.accuracy.low, one.accuracy.high]),
          low = Math.max(0, Math.min(...all) - 0.04),
          top = Math.min(1, Math.max(...all) + 0.04);
        const first = Math.log(points[0].images_per_class),
          last = Math.log(points.at(-1).images_per_class),
          x = (size) => 48 + (wide - 72) * (last > first ? (Math.log(size) - first) / (last - first) : 0.5),
          y = (value) => 10 + ((high - 44) * (top - value)) / (top - low);
        const line = (from, to, name) => svg("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], class: name });
        const word = (at, words, name = "") => {
          const made = svg("text", { x: at[0], y: at[1], class: name });
          made.textContent = words;
          return made;
        };
        const path = (value) =>
          points.map((one) => `${x(one.images_per_class).toFixed(1)},${y(value(one)).toFixed(1)}`);
        const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((one) => (top - low) / one <= 5) || 0.25,
          ticks = [];
        for (let at = Math.ceil(low / step) * step; at <= top + 1e-9; at += step) ticks.push(at);
        const now = this.point;
        this.chart.setAttribute("viewBox", `0 0 ${wide} ${high}`);
        this.chart.setAttribute("width", wide);
        this.chart.setAttribute("height", high);
        this.chart.setAttribute(
          "aria-label",
          "Accuracy on validation photos against images per class: " +
            `${points.map((one) => `${one.images_per_class}: ${percent(one.accuracy.value)}`).join(", ")}; all ` +
            `${full.images} images: ${percent(full.accuracy.value)}`,
        );
        this.chart.replaceChildren(
          ...ticks.flatMap((at) => [
            line([48, y(at)], [wide - 24, y(at)], "grid"),
            word([42, y(at) + 4], `${Math.round(100 * at)} %`, "y"),
          ]),
          ...points.map((one) => word([x(one.images_per_class), high - 18], String(one.images_per_class), "x")),
          word([wide / 2, high - 3], "images per class", "x"),
          line([48, y(full.accuracy.value)], [wide - 24, y(full.accuracy.value)], "full"),
          word(
            [wide - 26, y(full.accuracy.value) - 5],
            `all ${full.images} images: ${percent(full.accuracy.value)}`,
            "full",
          ),
          svg("polygon", {
            points: [...path((one) => one.accuracy.high), ...path((one) => one.accuracy.low).reverse()].join(" "),
            class: "band",
          }),
          svg("polyline", { points: path((one) => one.accuracy.value).join(" "), class: "mean" }),
          line([x(now.images_per_class), 10], [x(now.images_per_class), high - 34], "now"),
          ...points.flatMap((one) => [
            line(
              [x(one.images_per_class), y(one.accuracy.low)],
              [x(one.images_per_class), y(one.accuracy.high)],
              "whisker",
            ),
            svg("circle", { cx: x(one.images_per_class), cy: y(one.accuracy.value), r: one === now ? 6 : 3.5 }),
          ]),
        );
      }
    }
    customElements.define("studio-shrink", Shrink);
  };
  // After distil.js, whose drawing of sets and exports this shares.
  if (window.studio?.sheet) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
