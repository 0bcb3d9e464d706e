// The live panels: a recipe with its steps, curve, pictures and answer; and the newest run beside the forms.
(() => {
  "use strict";
  const boot = () => {
    const {
      BASE,
      el,
      text,
      act,
      choose,
      go,
      watch,
      review,
      renaming,
      many,
      duration,
      rate,
      progressWords,
      Part,
      CurveBox,
      numbers,
      query,
    } = window.studio;
    // ---- the panel of a recipe: steps, curve, newest images, answer

    class Panel extends Part {
      build() {
        this.hidden = true; // until the first state says that there is something to show
        this.head = el("div", { class: "ss-live-head" });
        this.name = el("h2");
        this.about = el("span", { class: "ss-muted" });
        this.badge = el("span", { class: "ss-state", role: "status", "aria-live": "polite" });
        this.time = el("span", { class: "ss-muted ss-number" });
        this.buttons = el("span", { class: "ss-buttons" });
        this.others = el("p", { class: "ss-muted", hidden: true });
        this.naming = renaming(
          "",
          () => "",
          () => {},
        );
        this.head.append(
          el("div", {}, el("div", { class: "ss-named" }, this.name, this.naming), this.about, this.others),
          el("div", { class: "ss-live-right" }, this.badge, this.time, this.buttons),
        );
        this.error = el("div", { class: "ss-badline", role: "alert", hidden: true });
        this.answer = el("div", { class: "ss-answer", hidden: true });
        this.steps = el("ol", { class: "ss-steps" });
        this.pictures = el("div", { class: "ss-newest" });
        this.picturesTitle = el("h3", {}, "Newest images");
        this.curveBox = new CurveBox();
        this.append(
          this.head,
          this.error,
          this.answer,
          el(
            "div",
            { class: "ss-live-body" },
            el("div", {}, this.steps),
            el("div", {}, this.picturesTitle, this.pictures, this.curveBox.root),
          ),
        );
        this.rows = new Map();
      }
      draw(now) {
        const pipeline = now.pipeline;
        this.hidden = !pipeline;
        if (!pipeline) return;
        this.dataset.state = pipeline.state;
        this.dataset.pipeline = pipeline.id;
        this.drawName(pipeline);
        this.drawOthers(now, pipeline);
        text(
          this.about,
          `${pipeline.named ? `${pipeline.title} · ` : ""}${pipeline.data} · ${pipeline.shots_words} · ` +
            `${pipeline.preset} · ${pipeline.folds === 1 ? "1 fold" : pipeline.folds + " folds"} · ` +
            `${pipeline.backbone}`,
        );
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
      drawName(pipeline) {
        text(this.name, pipeline.named ? pipeline.name : pipeline.title);
        const key = `${pipeline.id} ${pipeline.name}`;
        if (this.naming.dataset.key === key || this.querySelector(".ss-renaming")) return;
        const fresh = renaming(
          pipeline.id,
          () => pipeline.name || pipeline.title,
          (name) => text(this.name, name),
        );
        fresh.dataset.key = key;
        this.naming.replaceWith(fresh);
        this.naming = fresh;
      }
      // What else works or waits: it is a press away, and hides nothing of this one.
      drawOthers(now, pipeline) {
        const others = now.pipelines.filter((one) => one.state === "running" && one.id !== pipeline.id),
          key = JSON.stringify(others.map((one) => [one.id, one.name]));
        this.others.hidden = !others.length;
        if (this.others.dataset.key === key) return;
        this.others.dataset.key = key;
        this.others.replaceChildren(
          "Also asked for: ",
          ...others.map((one) =>
            el(
              "button",
              { type: "button", class: "ss-link", onclick: () => watch(one.id) },
              one.named ? one.name : `${one.title} on ${one.data}`,
            ),
          ),
        );
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
          this.steps.replaceChildren(
            ...keys.map((key) => {
              const row = {
                words: el("span", { class: "ss-step-words" }),
                far: el("span", { class: "ss-muted ss-number" }),
                meter: el("progress", { max: 100, value: 0 }),
                item: null,
              };
              row.item = el(
                "li",
                {},
                el("span", { class: "ss-dot", "aria-hidden": "true" }),
                row.words,
                row.far,
                row.meter,
              );
              this.rows.set(key, row);
              return row.item;
            }),
          );
        }
        pipeline.nodes.forEach((node, place) => {
          const row = this.rows.get(keys[place]),
            working = ["running", "stopping"].includes(node.state);
          row.item.dataset.state = node.state;
          text(row.words, node.words);
          const left = node.left ? ` · ${duration(node.left)} left` : "",
            speed = node.rate ? ` · ${rate(node.rate, node.unit)}` : "";
          text(
            row.far,
            working
              ? progressWords(node) + speed + left
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
      drawPictures(images) {
        this.picturesTitle.hidden = !images.length;
        pictures(this.pictures, images);
      }
      drawCurve(shown) {
        this.curveBox.draw(
          shown ? shown.curves : {},
          shown ? shown.words : "",
          shown ? shown.total : 0,
          shown ? shown.unit : "",
        );
      }
      drawAnswer(pipeline) {
        const result = pipeline.result,
          key = result ? pipeline.id : "";
        this.answer.hidden = !result;
        if (this.answer.dataset.key === key) return;
        this.answer.dataset.key = key;
        if (!result) return;
        const judged = !result.arms.length,
          place = judged ? "distil" : "evaluate"; // a small set has the judge's table instead
        const report = pipeline.nodes.find((node) => node.kind.startsWith("evaluate.") && !judged)?.run;
        const look = () => {
          const wanted = query();
          if (report) {
            wanted.set("report", report);
            history.replaceState(null, "", `${location.pathname}?${wanted}`);
          }
          go(place);
        };
        this.answer.replaceChildren(
          ...[
            el("p", { class: "ss-sentence" }, result.sentence),
            judged ? null : numbers(result.arms, result.n),
            judged
              ? null
              : el(
                  "p",
                  { class: "ss-muted" },
                  `Accuracy on the test photos, which nothing else has touched (n = ${result.n}, ${result.folds} ` +
                    `fold${result.folds === 1 ? "" : "s"}; whiskers: 95 % interval). ` +
                    `${result.counts?.real} real and ${result.counts?.synthetic} synthetic images, ` +
                    `${result.counts?.kept} kept.`,
                ),
            result.eye ? el("p", { class: "ss-muted", "data-part": "eye" }, `Eye: ${result.eye}`) : null,
            el("p", { class: "ss-next" }, result.next || ""),
            el(
              "div",
              { class: "ss-buttons" },
              el("button", { type: "button", class: "ss-button strong", onclick: look }, "Look closer at the numbers"),
              el(
                "button",
                { type: "button", class: "ss-button", onclick: () => review({ what: pipeline.id }) },
                "Review the images",
              ),
              this.localName === "studio-training"
                ? null
                : el(
                    "button",
                    {
                      type: "button",
                      class: "ss-button",
                      onclick: () => (Object.keys(result.train).length ? choose(result.train, "train") : go("train")),
                    },
                    "Train a classifier",
                  ),
              el("button", { type: "button", class: "ss-button", onclick: () => go("export") }, "Export"),
            ),
          ].filter(Boolean),
        );
      }
    }

    // The newest training by hand, on its own tab: the same panel, whatever else the page watches.
    class Training extends Panel {
      build() {
        this.nothing = [...this.children];
        super.build();
        this.hidden = false;
        this.draw({ pipelines: [] });
      }
      async draw(now) {
        const newest = now.pipelines.find((one) => one.recipe === "by hand");
        for (const one of this.nothing) one.hidden = !!newest;
        for (const one of this.children) if (!this.nothing.includes(one) && !newest) one.hidden = true;
        if (!newest || this.offsetParent === null || this.busy) return;
        this.busy = true;
        try {
          const answer = await fetch(`${BASE}/state?pipeline=${encodeURIComponent(newest.id)}`);
          if (answer.ok) {
            this.head.hidden = false;
            this.lastElementChild.hidden = false;
            super.draw(await answer.json());
          }
        } catch {
          /* the bar says that the server is away */
        } finally {
          this.busy = false;
        }
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
        this.card.append(
          el(
            "div",
            { class: "ss-live-head" },
            (this.name = el("h2")),
            el("div", { class: "ss-live-right" }, this.badge, this.buttons),
          ),
          (this.waiting = el(
            "p",
            { class: "ss-muted", hidden: true },
            (this.waitingWords = el("span", { role: "status" })),
            " ",
            el("button", { type: "button", class: "ss-link", onclick: () => go("runs") }, "See Runs"),
          )),
          this.far,
          this.meter,
          this.error,
          this.pictures,
          this.drawn,
          this.curveBox.root,
        );
        this.append(this.card);
      }
      async draw() {
        if (this.offsetParent === null || this.busy) return;
        this.busy = true;
        try {
          const runs = (await (await fetch(`${BASE}/runs?limit=100`)).json()).filter((run) =>
            run.kind.startsWith(this.getAttribute("kind")),
          );
          const found = runs.find((run) => run.state !== "queued") || runs[0],
            waiting = runs.filter((run) => run.state === "queued" && run !== found).length; // what waits has nothing to show yet
          this.waiting.hidden = !waiting;
          text(this.waitingWords, `${many(waiting, "more run")} ${waiting === 1 ? "waits" : "wait"} in the queue.`);
          this.card.hidden = !found;
          for (const one of this.nothing) one.hidden = !!found;
          if (found) this.fill(await (await fetch(`${BASE}/runs/${encodeURIComponent(found.run)}`)).json());
        } catch {
          /* the bar says that the server is away */
        } finally {
          this.busy = false;
        }
      }
      fill(run) {
        this.dataset.run = run.run;
        this.dataset.state = run.state;
        text(this.name, run.named ? run.name : run.kind_words);
        text(this.badge, run.state_words);
        this.badge.dataset.state = run.state;
        const working = ["running", "stopping"].includes(run.state),
          speed = run.rate ? ` · ${rate(run.rate, run.unit)}` : "",
          left = run.left ? ` · about ${duration(run.left)} left` : "";
        text(this.far, run.total ? progressWords(run) + speed + left : "");
        this.meter.hidden = !working;
        this.meter.value = run.total ? (100 * run.done) / run.total : 0;
        this.error.hidden = !run.error;
        text(this.error, run.error || "");
        const key = run.run + run.state + run.damage;
        if (this.key !== key) {
          this.key = key;
          this.buttons.replaceChildren(...this.steer(run));
        }
        pictures(this.pictures, run.images);
        this.drawRows(run);
        this.curveBox.draw(run.curves, run.kind_words, run.total, run.unit);
      }
      steer(run) {
        const path = `/runs/${encodeURIComponent(run.run)}`,
          adapts = run.kind.startsWith("adapt"),
          ended = run.state === "done";
        return [
          ["queued", "running"].includes(run.state) ? act("Stop", `${path}/stop`) : null,
          ["stopped", "failed", "lost"].includes(run.state) ? act("Resume", `${path}/resume`, "strong") : null,
          adapts && ["running", "done"].includes(run.state) ? act("Sample now", `${path}/sample`) : null,
          ended && !adapts && run.damage ? act("Make again", `${path}/again`) : null,
          ended ? this.next(run, adapts) : null,
        ].filter(Boolean);
      }
      // The next step, and what it begins with: `give` names a field of its form and the output that goes there.
      next(run, adapts) {
        const place = this.getAttribute("next") ?? (adapts ? "sample" : "review"),
          words = this.getAttribute("words") || (adapts ? "Make images with it" : "Review these");
        const [name, output] = (this.getAttribute("give") || "").split("="),
          given = run.outputs[output];
        const start = () => {
          if (place === "review") {
            review({ what: run.run });
            return;
          }
          if (place === "sample" && adapts) {
            choose({ "ss-sample-adapter": `run:${run.run}` }, "sample");
            return;
          }
          if (!given) {
            go(place);
            return;
          }
          const wanted = query();
          wanted.set("tab", place);
          wanted.set(name, given);
          location.assign(`${location.pathname}?${wanted}`);
        };
        return place ? el("button", { type: "button", class: "ss-button", onclick: start }, words) : null;
      }
      // One row per look, the newest first: the same seeds each time, so that rows can be compared.
      drawRows(run) {
        const finished = run.samples && {
          title:
            run.samples.state === "done"
              ? "Finished adapter"
              : `Finished adapter: ${run.samples.error || run.samples.state}`,
          images: run.samples.images,
        };
        const rows = [finished, ...run.previews.map((row) => ({ title: `Step ${row.step}`, images: row.images }))]
          .filter(Boolean)
          .slice(0, 9);
        const key = JSON.stringify(rows);
        if (this.drawn.dataset.key === key) return;
        this.drawn.dataset.key = key;
        this.drawn.replaceChildren(
          ...(rows.length ? [el("h3", {}, "Samples at fixed seeds, the newest first")] : []),
          ...rows.map((row) =>
            el(
              "div",
              { class: "ss-drawn-row" },
              el("span", { class: "ss-muted ss-number" }, row.title),
              el("div", { class: "ss-newest" }, ...row.images.map(picture)),
            ),
          ),
        );
      }
    }

    const picture = (one) =>
      el("img", {
        src: one.src ? BASE + one.src : `${BASE}/thumbs/${one.digest}`,
        alt: `synthetic ${one.label}`,
        title: [one.label, one.prompt, one.seed ? `seed ${one.seed}` : ""].filter(Boolean).join("\n"),
        loading: "lazy",
        decoding: "async",
        width: 96,
        height: 96,
        "data-digest": one.digest,
      });
    const pictures = (place, images) => {
      const key = images.map((one) => one.digest).join();
      if (place.dataset.key === key) return;
      place.dataset.key = key;
      const old = new Map([...place.children].map((one) => [one.dataset.digest, one]));
      place.replaceChildren(...images.map((one) => old.get(one.digest) || picture(one)));
    };

    customElements.define("studio-live", Panel);
    customElements.define("studio-training", Training);
    customElements.define("studio-latest", Latest);
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
