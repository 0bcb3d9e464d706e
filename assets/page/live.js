// The live panels: a recipe with its steps, curve, pictures and answer; and the newest run beside the forms.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el, text, act, go, duration, rate, progressWords, Part, CurveBox, numbers } = window.studio;
    // ---- the panel of a recipe: steps, curve, newest images, answer

    class Panel extends Part {
      build() {
        this.hidden = true;  // until the first state says that there is something to show
        this.head = el("div", { class: "ss-live-head" });
        this.name = el("h2");
        this.about = el("span", { class: "ss-muted" });
        this.badge = el("span", { class: "ss-state", role: "status", "aria-live": "polite" });
        this.time = el("span", { class: "ss-muted ss-number" });
        this.buttons = el("span", { class: "ss-buttons" });
        this.head.append(el("div", {}, this.name, this.about), el("div", { class: "ss-live-right" }, this.badge, this.time, this.buttons));
        this.error = el("div", { class: "ss-badline", role: "alert", hidden: true });
        this.answer = el("div", { class: "ss-answer", hidden: true });
        this.steps = el("ol", { class: "ss-steps" });
        this.pictures = el("div", { class: "ss-newest" });
        this.picturesTitle = el("h3", {}, "Newest images");
        this.curveBox = new CurveBox();
        this.append(this.head, this.error, this.answer, el("div", { class: "ss-live-body" },
          el("div", {}, this.steps), el("div", {}, this.picturesTitle, this.pictures, this.curveBox.root)));
        this.rows = new Map();
      }
      draw(now) {
        const pipeline = now.pipeline;
        this.hidden = !pipeline;
        if (!pipeline) return;
        this.dataset.state = pipeline.state;
        this.dataset.pipeline = pipeline.id;
        text(this.name, pipeline.title);
        text(this.about, `${pipeline.data} · ${pipeline.shots === null ? "every photo not held out" : `${pipeline.shots} shots per class`} · ${pipeline.preset} · ${pipeline.folds === 1 ? "1 fold" : pipeline.folds + " folds"} · ${pipeline.backbone}`);
        const stopping = pipeline.state === "stopped" && pipeline.nodes.some((n) => n.state === "stopping");
        const shown = stopping ? "stopping" : pipeline.state;
        text(this.badge, shown);
        this.badge.dataset.state = shown;
        text(this.time, duration(pipeline.seconds) + (pipeline.left ? `, about ${duration(pipeline.left)} left` : ""));
        this.time.hidden = pipeline.state === "stopped";
        this.steer(pipeline, shown);
        this.error.hidden = !pipeline.error;
        text(this.error, pipeline.error || "");
        this.drawSteps(pipeline);
        this.drawPictures(pipeline.images);
        this.drawCurve(pipeline.shown);
        this.drawAnswer(pipeline);
      }
      steer(pipeline, shown) {
        const key = pipeline.id + shown;
        if (this.steered === key) return;
        this.steered = key;
        const path = `/pipelines/${encodeURIComponent(pipeline.id)}`;
        this.buttons.replaceChildren();
        if (shown === "running") this.buttons.append(act("Stop", `${path}/stop`, "quiet"));
        if (["stopped", "failed"].includes(shown)) this.buttons.append(act("Resume", `${path}/resume`, "strong"));
      }
      drawSteps(pipeline) {
        const keys = pipeline.nodes.map((node, place) => pipeline.id + place);
        if (this.steps.dataset.keys !== keys.join()) {
          this.steps.dataset.keys = keys.join();
          this.rows.clear();
          this.steps.replaceChildren(...keys.map((key) => {
            const row = { words: el("span", { class: "ss-step-words" }), far: el("span", { class: "ss-muted ss-number" }),
                          meter: el("progress", { max: 100, value: 0 }), item: null };
            row.item = el("li", {}, el("span", { class: "ss-dot", "aria-hidden": "true" }), row.words, row.far, row.meter);
            this.rows.set(key, row);
            return row.item;
          }));
        }
        pipeline.nodes.forEach((node, place) => {
          const row = this.rows.get(keys[place]), working = ["running", "stopping"].includes(node.state);
          row.item.dataset.state = node.state;
          text(row.words, node.words);
          const left = node.left ? ` · ${duration(node.left)} left` : "", speed = node.rate ? ` · ${rate(node.rate, node.unit)}` : "";
          text(row.far, working ? progressWords(node) + speed + left
            : node.reused ? "made before, reused"
            : node.state === "done" ? duration(node.seconds)
            : node.state === "waiting" ? "" : node.state_words || node.state);
          row.meter.hidden = !working;
          row.meter.setAttribute("aria-label", node.words);
          row.meter.value = node.total ? 100 * node.done / node.total : 0;
        });
      }
      drawPictures(images) {
        this.picturesTitle.hidden = !images.length;
        pictures(this.pictures, images);
      }
      drawCurve(shown) { this.curveBox.draw(shown ? shown.curves : {}, shown ? shown.words : "", shown ? shown.total : 0); }
      drawAnswer(pipeline) {
        const result = pipeline.result, key = result ? pipeline.id : "";
        this.answer.hidden = !result;
        if (this.answer.dataset.key === key) return;
        this.answer.dataset.key = key;
        if (!result) return;
        const judged = !result.arms.length, place = judged ? "distil" : "evaluate";  // a small set has the judge's table instead
        this.answer.replaceChildren(...[
          el("p", { class: "ss-sentence" }, result.sentence),
          judged ? null : numbers(result.arms, result.n),
          judged ? null : el("p", { class: "ss-muted" }, `Accuracy on the test photos, which nothing else has touched (n = ${result.n} over ${result.folds} fold${result.folds === 1 ? "" : "s"}; whiskers: 95 % interval). ` +
            `${result.counts?.real} real and ${result.counts?.synthetic} synthetic images, ${result.counts?.kept} kept.`),
          el("p", { class: "ss-next" }, result.next || ""),
          el("div", { class: "ss-buttons" },
            el("button", { type: "button", class: "ss-button strong", onclick: () => go(place) }, "Look closer at the numbers"),
            el("button", { type: "button", class: "ss-button", onclick: () => go("review") }, "Review the images"),
            el("button", { type: "button", class: "ss-button", onclick: () => go("export") }, "Export"))].filter(Boolean));
      }
    }

    // ---- the newest run of a kind: what Adapt and Sample show beside their forms

    class Latest extends Part {
      build() {
        this.nothing = [...this.children];
        this.card = el("div", { class: "ss-card", hidden: true });
        this.badge = el("span", { class: "ss-state", role: "status", "aria-live": "polite" });
        this.buttons = el("span", { class: "ss-buttons" });
        this.far = el("p", { class: "ss-number ss-muted" });
        this.meter = el("progress", { max: 100, value: 0, style: "width:100%", "aria-label": "progress" });
        this.error = el("div", { class: "ss-badline", role: "alert" });
        this.pictures = el("div", { class: "ss-newest" });
        this.curveBox = new CurveBox();
        this.drawn = el("div", { class: "ss-drawn", role: "region", "aria-label": "samples at fixed seeds" });
        this.card.append(el("div", { class: "ss-live-head" }, this.name = el("h3"), el("div", { class: "ss-live-right" }, this.badge, this.buttons)),
          this.far, this.meter, this.error, this.pictures, this.drawn, this.curveBox.root);
        this.append(this.card);
      }
      async draw() {
        if (this.offsetParent === null || this.busy) return;
        this.busy = true;
        try {
          const runs = await (await fetch(`${BASE}/runs?limit=100`)).json(), found = runs.find((run) => run.kind.startsWith(this.getAttribute("kind")));
          this.card.hidden = !found;
          for (const one of this.nothing) one.hidden = !!found;
          if (found) this.fill(await (await fetch(`${BASE}/runs/${encodeURIComponent(found.run)}`)).json());
        } catch { /* the bar says that the server is away */ } finally { this.busy = false; }
      }
      fill(run) {
        this.dataset.run = run.run; this.dataset.state = run.state;
        text(this.name, run.kind_words);
        text(this.badge, run.state_words); this.badge.dataset.state = run.state;
        const working = ["running", "stopping"].includes(run.state), speed = run.rate ? ` · ${rate(run.rate, run.unit)}` : "", left = run.left ? ` · about ${duration(run.left)} left` : "";
        text(this.far, run.total ? progressWords(run) + speed + left : "");
        this.meter.hidden = !working;
        this.meter.value = run.total ? 100 * run.done / run.total : 0;
        this.error.hidden = !run.error; text(this.error, run.error || "");
        const key = run.run + run.state;
        if (this.key !== key) { this.key = key; this.buttons.replaceChildren(...this.steer(run)); }
        pictures(this.pictures, run.images);
        this.drawRows(run);
        this.curveBox.draw(run.curves, run.kind_words, run.total);
      }
      steer(run) {
        const path = `/runs/${encodeURIComponent(run.run)}`, adapts = run.kind.startsWith("adapt"), ended = run.state === "done";
        return [
          ["queued", "running"].includes(run.state) ? act("Stop", `${path}/stop`) : null,
          ["stopped", "failed", "lost"].includes(run.state) ? act("Resume", `${path}/resume`, "strong") : null,
          adapts && ["running", "done"].includes(run.state) ? act("Sample now", `${path}/sample`) : null,
          ended && !adapts ? act("Make again", `${path}/again`) : null,
          ended ? el("button", { type: "button", class: "ss-button", onclick: () => go(adapts ? "sample" : "review") }, adapts ? "Make images with it" : "Review these") : null].filter(Boolean);
      }
      // One row per look, the newest first: the same seeds each time, so that rows can be compared.
      drawRows(run) {
        const finished = run.samples && { title: run.samples.state === "done" ? "Finished adapter" : `Finished adapter: ${run.samples.error || run.samples.state}`, images: run.samples.images };
        const rows = [finished, ...run.previews.map((row) => ({ title: `Step ${row.step}`, images: row.images }))].filter(Boolean).slice(0, 9);
        const key = JSON.stringify(rows);
        if (this.drawn.dataset.key === key) return;
        this.drawn.dataset.key = key;
        this.drawn.replaceChildren(...(rows.length ? [el("h3", {}, "Samples at fixed seeds, the newest first")] : []),
          ...rows.map((row) => el("div", { class: "ss-drawn-row" }, el("span", { class: "ss-muted ss-number" }, row.title), el("div", { class: "ss-newest" }, ...row.images.map(picture)))));
      }
    }

    const picture = (one) => el("img", { src: one.src || `${BASE}/thumbs/${one.digest}`, alt: `synthetic ${one.label}`, title: [one.label, one.prompt, one.seed ? `seed ${one.seed}` : ""].filter(Boolean).join("\n"),
      loading: "lazy", decoding: "async", width: 96, height: 96, "data-digest": one.digest });
    const pictures = (place, images) => {
      const key = images.map((one) => one.digest).join();
      if (place.dataset.key === key) return;
      place.dataset.key = key;
      const old = new Map([...place.children].map((one) => [one.dataset.digest, one]));
      place.replaceChildren(...images.map((one) => old.get(one.digest) || picture(one)));
    };

    customElements.define("studio-live", Panel);
    customElements.define("studio-latest", Latest);
  };
  if (window.studio) boot(); else addEventListener("DOMContentLoaded", boot, { once: true });
})();
