// Distil: a small set as it forms, then the judge's table with every baseline, its sentence and the export.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el, text, act, percent, duration, rate, progressWords, query, Part, Answers, CurveBox } =
      window.studio;
    const get = async (path) => {
      const answer = await fetch(BASE + path);
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    };
    const KEY = "synthstudio.judge-plain";
    const keep = (name, value) => {
      const wanted = query();
      if (value === null) wanted.delete(name);
      else wanted.set(name, value);
      history.replaceState(null, "", `${location.pathname}?${wanted}`);
    };
    const when = (seconds) =>
      new Date(1000 * seconds).toLocaleString([], {
        day: "numeric",
        month: "short",
        hour: "2-digit",
        minute: "2-digit",
      });

    // ---- what both halves of the tab draw: a set as rows of its classes, and an export with its link

    const sheet = (set) => {
      const left = set.classes - set.rows.length,
        box = el("div", {
          class: "ss-sheet",
          role: "group",
          "aria-label": `${set.images} images of ${set.classes} classes`,
        });
      for (const row of set.rows) {
        const rest = row.count - row.images.length;
        box.append(
          el(
            "div",
            { class: "ss-sheet-row" },
            el("span", { class: "ss-sheet-label", title: row.label }, row.label),
            el(
              "span",
              { class: "ss-sheet-images" },
              ...row.images.map((digest, place) =>
                el("img", {
                  src: `${BASE}/thumbs/96/${digest}`,
                  alt: `${row.label}, ${place + 1} of ${row.count}`,
                  loading: "lazy",
                  decoding: "async",
                  width: 48,
                  height: 48,
                }),
              ),
              rest > 0 ? el("span", { class: "ss-muted" }, `+ ${rest}`) : null,
            ),
          ),
        );
      }
      if (left > 0) box.append(el("p", { class: "ss-muted" }, `and ${left} more classes`));
      return box;
    };

    class ExportBox {
      constructor(name, changed) {
        this.changed = changed;
        this.name = el("input", {
          class: "ss-input",
          value: name,
          maxlength: 120,
          "aria-label": "name of the exported dataset",
          id: `ss-export-${name.replace(" ", "-")}`,
        });
        this.answers = new Answers(`export-${name.replace(" ", "-")}`, { name: this.name });
        this.button = el("button", { type: "button", class: "ss-button strong", "data-export-go": "" });
        this.button.addEventListener("click", async () => {
          this.button.disabled = true;
          await this.answers.ask(this.path, { fold: this.fold || 0, name: this.name.value });
          this.button.disabled = false;
          this.changed();
        });
        this.list = el("div", { role: "status", "aria-live": "polite" });
        this.root = el(
          "div",
          { class: "ss-exportbox" },
          el("div", { class: "ss-buttons" }, el("div", {}, this.name), this.button),
          this.answers.root,
          this.list,
        );
      }
      async draw(path, label, ids, fold = 0) {
        this.path = path;
        this.fold = fold;
        text(this.button, label);
        const key = ids.join();
        if (key === this.known && !this.waiting) return;
        const rows = ids.length ? (await get("/exports")).exports.filter((one) => ids.includes(one.run)) : [];
        this.known = key;
        this.waiting = rows.some((one) => ["queued", "running", "stopping"].includes(one.state));
        this.list.replaceChildren(
          ...rows.map((one) =>
            el(
              "p",
              { class: "ss-exported", "data-export-run": one.run, "data-state": one.state },
              el("span", { class: "ss-state", "data-state": one.state }, one.state),
              el("span", {}, one.name),
              one.folder
                ? el(
                    "a",
                    { class: "ss-button", href: `${BASE}/exports/${encodeURIComponent(one.run)}.zip`, download: true },
                    `Download zip, ${Math.ceil(one.bytes / 1e3)} kB`,
                  )
                : null,
              one.error ? el("span", { class: "ss-badline" }, one.error) : null,
            ),
          ),
        );
      }
    }

    // ---- the judge's table

    const number = (found) =>
      found
        ? el(
            "td",
            { class: "n" },
            el("b", {}, percent(found.value)),
            el("span", { class: "ss-interval" }, `${(100 * found.low).toFixed(1)} – ${(100 * found.high).toFixed(1)}`),
          )
        : el("td", { class: "n ss-muted" }, "–");
    const points = (value) => `${value >= 0 ? "+" : "−"}${Math.abs(100 * value).toFixed(1)}`;
    const lead = (found) => {
      if (!found) return el("td", { class: "n ss-muted" }, "");
      const side = found.low > 0 ? "ahead" : found.high < 0 ? "behind" : "even";
      return el(
        "td",
        { class: "n", "data-lead": side },
        el("b", {}, points(found.value)),
        el("span", { class: "ss-interval" }, `${points(found.low)} to ${points(found.high)}`),
      );
    };
    const ROLES = { method: "the method", other: "another set", baseline: "baseline", reference: "for reference" };

    class Judge {
      constructor() {
        this.plain = localStorage.getItem(KEY) === "1";
        this.root = el("div", { class: "ss-judge", hidden: true });
      }
      draw(table) {
        this.root.hidden = !table;
        if (!table) return;
        const key = table.judge + this.plain;
        if (this.key === key) return;
        this.key = key;
        const which = this.plain ? "plain" : "augmented";
        const choice = (words, plain) =>
          el(
            "button",
            {
              type: "button",
              class: "ss-button",
              "aria-pressed": String(this.plain === plain),
              onclick: () => {
                this.plain = plain;
                try {
                  localStorage.setItem(KEY, plain ? "1" : "0");
                } catch {
                  /* without storage it holds until the reload */
                }
                this.draw(table);
                this.root.querySelector(`[aria-pressed=true]`).focus();
              },
            },
            words,
          );
        const own = (name) => table.seen.includes(name);
        const head = el(
          "tr",
          {},
          el("th", { scope: "col" }, "Trained on"),
          el(
            "th",
            { scope: "col", class: "n", title: "mean over the networks that the method never saw" },
            "Never seen",
          ),
          el(
            "th",
            {
              scope: "col",
              class: "n",
              title: "how far the method is ahead of this row on networks it never saw, in points",
            },
            "Method leads by",
          ),
          ...table.architectures.map((name) =>
            el(
              "th",
              {
                scope: "col",
                class: "n",
                title: own(name) ? "the method was made with this network" : "the method never saw this network",
              },
              own(name) ? `${name} (own)` : name,
            ),
          ),
          table.encoder
            ? el(
                "th",
                { scope: "col", class: "n", title: `linear probe on frozen features of ${table.encoder}` },
                "Probe",
              )
            : null,
          el("th", { scope: "col", class: "n" }, "Images"),
          el("th", { scope: "col", class: "n" }, "Trainings"),
          el("th", { scope: "col", class: "n" }, "Made in"),
          el("th", { scope: "col", class: "n" }, "Per training"),
        );
        const line = (row) =>
          el(
            "tr",
            { "data-arm": row.arm, "data-role": row.role },
            el(
              "th",
              { scope: "row" },
              row.title,
              el(
                "span",
                { class: "ss-interval" },
                row.arm === table.best ? "best baseline" : ROLES[row.role] || row.role,
              ),
            ),
            number(row.cells[which].unseen),
            lead(row.cells[which].lead),
            ...table.architectures.map((name) => number(row.cells[which][name])),
            table.encoder ? number(row.probe) : null,
            el("td", { class: "n" }, String(row.images)),
            el("td", { class: "n" }, String(row.trainings)),
            el(
              "td",
              { class: "n" },
              row.seconds_to_make ? (row.seconds_to_make < 1 ? "< 1 s" : duration(row.seconds_to_make)) : "–",
            ),
            el(
              "td",
              { class: "n" },
              row.seconds_per_training === null ? "–" : `${row.seconds_per_training.toFixed(2)} s`,
            ),
          );
        this.root.replaceChildren(
          el(
            "div",
            { class: "ss-live-head" },
            el(
              "h3",
              {},
              `The judge’s table: accuracy, ${table.per_class} image${table.per_class === 1 ? "" : "s"} per class`,
            ),
            el(
              "span",
              { class: "ss-buttons", role: "group", "aria-label": "how the networks were trained" },
              choice("With augmentation", false),
              choice("Without", true),
            ),
          ),
          el(
            "div",
            { class: "ss-scroll", tabindex: 0, role: "region", "aria-label": "the judge’s table" },
            el(
              "table",
              { class: "ss-table ss-judge-table" },
              el("thead", {}, head),
              el("tbody", {}, ...table.rows.map(line)),
            ),
          ),
          el(
            "p",
            { class: "ss-muted" },
            `Split: test, n = ${table.n} real photos; seen by ${table.looks} ` +
              `evaluation${table.looks === 1 ? "" : "s"} so far. Every network starts from nothing and takes ` +
              `${table.training_steps} steps, whatever it learns from. ` +
              `${table.seeds} trainings of each network (seeds from ${table.seed}); random real: ${table.draws} ` +
              "draws. Intervals: 95 %, Student’s t over " +
              `trainings${table.encoder ? "; of a probe over test photos" : ""}. ` +
              "Lead: 95 % interval over test photos and trainings; coloured where it excludes zero. Never seen: " +
              `${table.unseen.join(", ")}.`,
          ),
        );
      }
    }

    // ---- the panel

    class Distil extends Part {
      build() {
        this.nothing = [...this.children];
        for (const one of this.nothing) one.hidden = true; // until the first answer says so
        this.name = el("h2");
        this.about = el("span", { class: "ss-muted" });
        this.pick = el("select", { class: "ss-select", "aria-label": "which distillation" });
        this.pick.addEventListener("change", () => {
          keep("distil", this.pick.value);
          this.listen();
        });
        this.badge = el("span", { class: "ss-state", role: "status", "aria-live": "polite" });
        this.time = el("span", { class: "ss-muted ss-number" });
        this.buttons = el("span", { class: "ss-buttons" });
        this.error = el("div", { class: "ss-badline", role: "alert", hidden: true });
        this.notes = el("div");
        this.sentence = el("p", { class: "ss-sentence", hidden: true });
        this.folds = el("select", { class: "ss-select", "aria-label": "fold", hidden: true });
        this.folds.addEventListener("change", () => this.drawAnswer());
        this.judge = new Judge();
        this.steps = el("ol", { class: "ss-steps" });
        this.curve = new CurveBox();
        this.forming = el("img", { class: "ss-forming", alt: "", hidden: true });
        // As large as fits into the height of a screen, whatever the shape of the set.
        this.forming.addEventListener("load", () => {
          this.forming.style.maxWidth = `${Math.round((480 * this.forming.naturalWidth) / this.forming.naturalHeight)}px`;
        });
        this.formingLabels = el("div", { class: "ss-forming-labels", "aria-hidden": "true" });
        this.formingBox = el("div", { class: "ss-formingbox" }, this.formingLabels, this.forming);
        this.sheetTitle = el("h3");
        this.sheet = el("div");
        this.export = new ExportBox("small set", () => {
          this.answered = "";
          this.listen();
        });
        this.next = el(
          "span",
          { class: "ss-buttons" },
          el(
            "button",
            {
              type: "button",
              class: "ss-button",
              onclick: () => window.studio.review({ what: this.dataset.pipeline, fold: Number(this.folds.value || 0) }),
            },
            "Look at them in Review",
          ),
          el(
            "button",
            { type: "button", class: "ss-button", onclick: () => window.studio.choose(this.given, "train") },
            "Train a classifier on them",
          ),
        );
        this.card = el(
          "section",
          { class: "ss-card ss-distil", hidden: true, "aria-label": "distillation" },
          el(
            "div",
            { class: "ss-live-head" },
            el("div", {}, this.name, this.about),
            el("div", { class: "ss-live-right" }, this.badge, this.time, this.buttons),
          ),
          el("div", { class: "ss-distil-pick" }, this.pick, this.folds),
          this.error,
          this.notes,
          this.sentence,
          el(
            "div",
            { class: "ss-live-body" },
            el("div", {}, this.steps, this.curve.root),
            el(
              "div",
              {},
              this.sheetTitle,
              this.formingBox,
              this.sheet,
              (this.after = el("div", { hidden: true }, this.export.root, this.next)),
            ),
          ),
          this.judge.root,
        );
        this.append(this.card);
        this.rows = [];
      }
      async draw() {
        if (this.offsetParent === null || this.busy) return;
        this.busy = true;
        try {
          const wanted = query().get("distil"),
            found = await get(`/distil${wanted ? `?pipeline=${encodeURIComponent(wanted)}` : ""}`);
          this.card.hidden = !found.shown;
          for (const one of this.nothing) one.hidden = !!found.shown;
          if (found.shown) {
            this.drawPick(found);
            await this.fill(found.shown);
          }
        } catch (error) {
          if (!(error instanceof TypeError)) console.info(String(error)); /* the bar says that the server is away */
        } finally {
          this.busy = false;
        }
      }
      drawPick(found) {
        const key = JSON.stringify(found.runs.map((one) => [one.id, one.state]));
        if (this.pick.dataset.key !== key) {
          this.pick.dataset.key = key;
          this.pick.replaceChildren(
            ...found.runs.map((one) =>
              el(
                "option",
                { value: one.id },
                `${one.title}, ${one.per_class ?? "?"} per class, ${one.preset}, ${one.state} · ${when(one.created)}`,
              ),
            ),
          );
        }
        this.pick.hidden = found.runs.length < 2;
        this.pick.value = found.shown.pipeline.id;
      }
      async fill(shown) {
        const pipeline = shown.pipeline,
          stopping = pipeline.state === "stopped" && pipeline.nodes.some((one) => one.state === "stopping"),
          state = stopping ? "stopping" : pipeline.state;
        this.dataset.state = state;
        this.dataset.pipeline = pipeline.id;
        text(this.name, pipeline.title);
        text(
          this.about,
          `${pipeline.data} · ${pipeline.shots_words} · ${shown.per_class ?? "?"} images per class · ` +
            `${pipeline.preset} · ${pipeline.folds === 1 ? "1 fold" : pipeline.folds + " folds"}`,
        );
        text(this.badge, state);
        this.badge.dataset.state = state;
        text(
          this.time,
          state === "stopped"
            ? ""
            : duration(pipeline.seconds) + (pipeline.left ? `, about ${duration(pipeline.left)} left` : ""),
        );
        const steer = pipeline.id + state;
        if (this.steered !== steer) {
          this.steered = steer;
          const path = `/pipelines/${encodeURIComponent(pipeline.id)}`;
          this.buttons.replaceChildren(
            ...[
              state === "running" ? act("Stop", `${path}/stop`) : null,
              ["stopped", "failed"].includes(state) ? act("Resume", `${path}/resume`, "strong") : null,
            ].filter(Boolean),
          );
        }
        this.error.hidden = !pipeline.error;
        text(this.error, pipeline.error || "");
        this.drawSteps(pipeline.nodes);
        this.drawMaker(shown.maker);
        const asked = pipeline.id + state + shown.answer;
        if (this.answered !== asked) {
          this.found = await get(`/distil/${encodeURIComponent(pipeline.id)}`);
          this.answered = asked;
        }
        await this.drawAnswer();
      }
      drawSteps(nodes) {
        while (this.rows.length > nodes.length) this.rows.pop().item.remove();
        nodes.forEach((node, place) => {
          if (!this.rows[place]) {
            const row = {
              words: el("span", { class: "ss-step-words" }),
              far: el("span", { class: "ss-muted ss-number" }),
              meter: el("progress", { max: 100, value: 0 }),
            };
            row.item = this.steps.appendChild(
              el("li", {}, el("span", { class: "ss-dot", "aria-hidden": "true" }), row.words, row.far, row.meter),
            );
            this.rows[place] = row;
          }
          const row = this.rows[place],
            working = ["running", "stopping"].includes(node.state);
          row.item.dataset.state = node.state;
          row.item.dataset.kind = node.kind;
          text(row.words, node.words);
          text(
            row.far,
            working
              ? progressWords(node) +
                  (node.rate ? ` · ${rate(node.rate, node.unit)}` : "") +
                  (node.left ? ` · ${duration(node.left)} left` : "")
              : node.reused
                ? "made before, reused"
                : node.state === "done"
                  ? duration(node.seconds)
                  : node.state === "waiting"
                    ? ""
                    : node.state_words || node.state,
          );
          row.meter.hidden = !working;
          row.meter.setAttribute("aria-label", node.words);
          row.meter.value = node.total ? (100 * node.done) / node.total : 0;
        });
      }
      drawMaker(maker) {
        this.curve.draw(maker ? maker.curves : {}, maker ? maker.words : "", maker ? maker.total : 0);
        const notes = maker ? maker.notes : [];
        if (this.notes.dataset.key !== notes.join()) {
          this.notes.dataset.key = notes.join();
          this.notes.replaceChildren(...notes.map((one) => el("div", { class: "ss-warnline" }, one)));
        }
        this.maker = maker;
        const shown = maker?.preview;
        if (shown && this.forming.dataset.preview !== shown) {
          this.forming.dataset.preview = shown;
          this.forming.src = `${BASE}/distil/previews/${shown}`;
          this.forming.alt = `the set as it forms, one row per class: ${maker.labels.join(", ")}`;
          const labels = maker.labels.length <= 30 ? maker.labels : [];
          this.formingLabels.replaceChildren(...labels.map((label) => el("span", { title: label }, label)));
        }
        this.forming.hidden = !shown;
      }
      async drawAnswer() {
        const found = this.found,
          folds = found.folds;
        if (this.folds.dataset.key !== found.pipeline + folds.length) {
          this.folds.dataset.key = found.pipeline + folds.length;
          this.folds.replaceChildren(...folds.map((one) => el("option", { value: one.fold }, `fold ${one.fold + 1}`)));
        }
        this.folds.hidden = folds.length < 2;
        const fold = folds.find((one) => String(one.fold) === this.folds.value) || folds[0],
          set = fold?.set;
        this.sentence.hidden = !found.sentence;
        text(this.sentence, found.sentence);
        this.judge.draw(fold?.table);
        this.formingBox.hidden = !!set || this.forming.hidden;
        this.sheet.hidden = this.after.hidden = !set;
        if (set && this.sheet.dataset.key !== set.id) {
          this.sheet.dataset.key = set.id;
          this.sheet.replaceChildren(sheet(set));
        }
        const maker = this.maker,
          optimises = maker?.kind === "distil.match";
        text(
          this.sheetTitle,
          set
            ? `The set: ${set.images} images of ${set.classes} classes`
            : maker?.preview
              ? `The set as it forms, after ${maker.done} of ${maker.total} updates`
              : maker?.state === "running"
                ? optimises
                  ? "The first picture comes with the first update."
                  : "The pictures appear as soon as all are there."
                : "The set appears here.",
        );
        this.given = set && { "ss-train-synthetic": set.id, ...(fold.shots ? { "ss-train-real": fold.shots } : {}) };
        if (set)
          await this.export.draw(
            `/distil/${encodeURIComponent(found.pipeline)}/export`,
            `Export these ${set.images} images`,
            fold.exports,
            fold.fold,
          );
      }
    }

    Object.assign(window.studio, { sheet, ExportBox, keep, get, newDistillation: () => keep("distil", null) });
    customElements.define("studio-distil", Distil);
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
