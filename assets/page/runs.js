// Runs: every run with its truth, one of them in full. Chosen run and place are kept in the address (?show=).
(() => {
  "use strict";
  const boot = () => {
    const { BASE, place, el, text, act, duration, Part, progressWords, rate, query, renaming, CompareBox, Queue } =
      window.studio;
    const get = async (path) => {
      const answer = await fetch(BASE + path);
      if (!answer.ok) throw new Error(answer.status);
      return answer;
    };
    const visible = (node) => node.isConnected && node.offsetParent !== null && !document.hidden;
    const when = (seconds) => el("studio-time", { at: new Date(1000 * seconds).toISOString() });

    class Runs extends Part {
      build() {
        this.rows = new Map();
        this.body = el("tbody");
        this.nothing = el(
          "div",
          { class: "ss-empty", hidden: true },
          "No runs yet. Start a recipe on the Start tab; every step of it appears here.",
        );
        this.table = el(
          "table",
          { class: "ss-table ss-list" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              el("th", { class: "ss-pick" }, "Compare"),
              el("th", {}, "What"),
              el("th", {}, "State"),
              el("th", {}, "Progress"),
              el("th", { class: "n ss-wide" }, "Cost"),
              el("th", { class: "ss-wide" }, "Asked"),
            ),
          ),
          this.body,
        );
        this.detail = new Detail(this);
        this.queue = new Queue();
        this.compare = new CompareBox();
        this.append(
          this.nothing,
          this.queue.root,
          el(
            "div",
            { class: "ss-split" },
            el("div", { class: "ss-scroll" }, this.table),
            el("div", {}, this.compare.root, this.detail.root),
          ),
        );
        this.loop();
      }
      draw() {}
      async loop() {
        if (!this.isConnected) {
          setTimeout(() => this.loop(), 1500);
          return;
        }
        try {
          if (visible(this)) await this.load();
        } catch {
          /* the bar says that the server is away */
        }
        setTimeout(() => this.loop(), window.studio.state?.running.length ? 1200 : 3000);
      }
      async load() {
        const runs = await (await get("/runs?limit=200")).json();
        this.nothing.hidden = runs.length > 0;
        this.table.hidden = !runs.length;
        this.queue.draw(runs);
        this.table.classList.toggle("ss-no-compare", runs.filter((run) => run.curved).length < 2);
        const seen = new Set();
        runs.forEach((run, place) => {
          seen.add(run.run);
          let row = this.rows.get(run.run);
          if (!row) {
            row = this.row(run);
            this.rows.set(run.run, row);
          }
          this.fill(row, run);
          if (this.body.children[place] !== row.tr) this.body.insertBefore(row.tr, this.body.children[place] || null);
        });
        for (const [id, row] of this.rows)
          if (!seen.has(id)) {
            row.tr.remove();
            this.rows.delete(id);
          }
        // What waits has nothing to show.
        const wanted = query().get("show") || (runs.find((run) => run.state !== "queued") || runs[0])?.run;
        await this.overlay(runs);
        if (wanted) await this.detail.show(wanted);
        for (const [id, row] of this.rows) row.tr.setAttribute("aria-selected", id === wanted);
      }
      // The chosen runs are kept in the address (?compare=), so that a reload and a colleague see the same.
      chosen() {
        return (query().get("compare") || "").split(",").filter(Boolean);
      }
      async overlay(runs) {
        const known = new Set(runs.map((run) => run.run)),
          chosen = this.chosen()
            .filter((id) => known.has(id))
            .slice(0, 8);
        for (const [id, row] of this.rows) row.pick.checked = chosen.includes(id);
        if (chosen.length < 2) {
          this.compare.draw([]);
          return;
        }
        const wanted = new URLSearchParams(chosen.map((id) => ["run", id]));
        this.compare.draw(await (await get(`/curves?${wanted}`)).json());
      }
      pick(id, on) {
        const wanted = query(),
          chosen = this.chosen().filter((one) => one !== id);
        if (on && chosen.length >= 8) {
          window.studio.say("Eight runs can be compared at once. Take one out first.");
          this.rows.get(id).pick.checked = false;
          return;
        }
        if (on) chosen.push(id);
        if (chosen.length) wanted.set("compare", chosen.join());
        else wanted.delete("compare");
        history.replaceState(null, "", `${location.pathname}?${wanted}`);
        this.load();
      }
      row(run) {
        const words = el("button", { type: "button", class: "ss-link" }),
          state = el("span", { class: "ss-state" });
        const far = el("span", { class: "ss-number ss-muted" }),
          cost = el("td", { class: "n ss-wide" });
        const pick = el("input", {
          type: "checkbox",
          "aria-label": `compare the loss of ${run.name || run.kind_words}`,
          onchange: () => this.pick(run.run, pick.checked),
        });
        const name = el("span", { class: "ss-muted ss-run-name" });
        const tr = el(
          "tr",
          { "data-run": run.run },
          el("td", { class: "ss-pick", onclick: (event) => event.stopPropagation() }, run.curved ? pick : ""),
          el("td", {}, words, name),
          el("td", {}, state),
          el("td", {}, far),
          cost,
          el("td", { class: "ss-wide ss-asked" }, when(run.created)),
        );
        tr.addEventListener("click", async () => {
          await this.choose(run.run);
          if (innerWidth <= 760) this.detail.root.scrollIntoView({ behavior: "smooth", block: "start" });
        });
        return { tr, words, name, pick, state, far, cost };
      }
      fill(row, run) {
        text(row.words, run.named ? run.name : run.kind_words);
        text(row.name, run.named ? run.kind_words : "");
        row.words.title = [run.name, run.run].filter(Boolean).join("\n");
        text(row.state, run.place ? `queued, place ${run.place}` : run.state_words);
        row.state.dataset.state = run.state;
        const left = run.left ? `, ${duration(run.left)} left` : "";
        text(row.far, run.total ? progressWords(run) + left : "");
        text(row.cost, run.seconds ? `${duration(run.seconds)} · ${Math.round(run.memory_mb)} MB` : "");
      }
      async choose(id) {
        const wanted = query();
        wanted.set("show", id);
        history.replaceState(null, "", `${location.pathname}?${wanted}`);
        this.detail.root.inert = true; // what is pressed there would be done to the run shown before
        try {
          await this.detail.show(id);
        } finally {
          this.detail.root.inert = false;
        }
        return this.load();
      }
    }

    class Detail {
      constructor(list) {
        this.list = list;
        this.root = el("div", { class: "ss-card ss-detail", hidden: true });
        this.shown = "";
      }
      async show(id) {
        const run = await (await get(`/runs/${encodeURIComponent(id)}`)).json(),
          wanted = query().get("show");
        if (wanted && wanted !== id) return; // another was chosen meanwhile
        this.root.hidden = false;
        const key = JSON.stringify([
          run.run,
          run.state,
          run.image_count,
          run.notes.length,
          run.previews[0]?.step,
          run.damage,
          run.name,
        ]);
        if (this.shown !== key && !this.root.querySelector(".ss-renaming")) {
          this.shown = key;
          this.build(run);
        }
        this.live(run);
        if (["running", "stopping", "failed", "lost"].includes(run.state) || !this.log.textContent) {
          const log = await (await get(`/runs/${encodeURIComponent(id)}/log`)).text();
          const end = this.log.scrollTop + this.log.clientHeight >= this.log.scrollHeight - 8;
          text(this.log, log.slice(-20000) || "The log is empty.");
          if (end) this.log.scrollTop = this.log.scrollHeight;
        }
      }
      build(run) {
        const path = `/runs/${encodeURIComponent(run.run)}`,
          buttons = el("span", { class: "ss-buttons" });
        if (["queued", "running"].includes(run.state)) buttons.append(act("Stop", `${path}/stop`));
        if (["running", "stopping"].includes(run.state)) buttons.append(act("Mark as stopped", `${path}/end`, "quiet"));
        if (["stopped", "failed", "lost"].includes(run.state))
          buttons.append(act("Resume", `${path}/resume`, "strong"));
        if (run.state === "done") buttons.append(act("Make again", `${path}/again`, run.damage ? "strong" : undefined));
        if (run.image_count && run.state === "done" && !run.kind.startsWith("collect."))
          buttons.append(
            el(
              "button",
              { type: "button", class: "ss-button", onclick: () => window.studio.review({ what: run.run }) },
              "Review these",
            ),
          );
        if (run.reusable)
          buttons.append(
            el(
              "a",
              {
                class: "ss-button",
                href: place({ tab: run.kind.startsWith("adapt") ? "adapt" : "sample", from: run.run }),
              },
              "Use these settings",
            ),
          );
        this.badge = el("span", { class: "ss-state", role: "status" });
        this.far = el("p", { class: "ss-number" });
        this.meter = el("progress", { max: 100, value: 0, "aria-label": "progress of this run", style: "width:100%" });
        this.log = el("div", { class: "ss-log", tabindex: 0, role: "log", "aria-label": "log" });
        const facts = el("dl", { class: "ss-facts" });
        const fact = (name, value) => facts.append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
        fact("Attempt", String(run.attempt));
        fact("Time", run.seconds ? duration(run.seconds) : "–");
        fact("Memory", run.memory_mb ? `${Math.round(run.memory_mb)} MB` : "–");
        fact("Device", run.device.startsWith("files") ? "none needed" : run.device || "–");
        this.root.replaceChildren(
          ...[
            el(
              "div",
              { class: "ss-live-head" },
              el(
                "div",
                {},
                el(
                  "div",
                  { class: "ss-named" },
                  el("h2", {}, run.named ? run.name : run.kind_words),
                  renaming(
                    run.run,
                    () => run.name || run.kind_words,
                    () => this.list.load(),
                  ),
                ),
                el(
                  "span",
                  { class: "ss-muted" },
                  `${run.named ? run.kind_words : run.name}${run.named || run.name ? " · " : ""}${run.run}`,
                ),
              ),
              el("div", { class: "ss-live-right" }, this.badge, buttons),
            ),
            run.error || run.damage ? el("div", { class: "ss-badline", role: "alert" }, run.error || run.damage) : null,
            this.far,
            this.meter,
            facts,
            ...run.notes.map((note) =>
              el("div", { class: note.level === "warning" ? "ss-warnline" : "ss-muted" }, note.text),
            ),
            run.previews.length ? el("h3", {}, `Samples while training, step ${run.previews[0].step}`) : null,
            run.previews.length
              ? el(
                  "div",
                  { class: "ss-newest" },
                  ...run.previews[0].images.map((one) =>
                    el("img", {
                      src: BASE + one.src,
                      alt: `synthetic ${one.label}`,
                      title: `${one.label}\n${one.prompt}\nseed ${one.seed}`,
                      loading: "lazy",
                    }),
                  ),
                )
              : null,
            run.images.length ? el("h3", {}, `Newest of ${run.image_count} images`) : null,
            run.images.length
              ? el(
                  "div",
                  { class: "ss-newest" },
                  ...run.images.map((one) =>
                    el("img", {
                      src: `${BASE}/thumbs/${one.digest}`,
                      alt: one.label,
                      title: `${one.label}\n${one.prompt}`,
                      loading: "lazy",
                    }),
                  ),
                )
              : null,
            el("h3", {}, "Log"),
            this.log,
            this.fold(
              "Settings",
              el(
                "table",
                { class: "ss-table" },
                el(
                  "tbody",
                  {},
                  ...Object.entries(run.fields).map(([name, value]) =>
                    el(
                      "tr",
                      {},
                      el("td", {}, name),
                      el("td", {}, typeof value === "string" ? value : JSON.stringify(value)),
                    ),
                  ),
                ),
              ),
            ),
            this.fold("Outputs", el("div", { class: "ss-log" }, JSON.stringify(run.outputs, null, 1))),
            run.refused.length
              ? this.fold(
                  `Not used: ${run.refused.length}`,
                  el(
                    "table",
                    { class: "ss-table" },
                    el(
                      "tbody",
                      {},
                      ...run.refused.map((one) => el("tr", {}, el("td", {}, one.name), el("td", {}, one.reason))),
                    ),
                  ),
                )
              : null,
            this.fold("The same from a terminal", this.copy(run.command)),
            this.fold("The same from Python", this.copy(run.python)),
          ].filter(Boolean),
        );
      }
      live(run) {
        text(this.badge, run.state_words);
        this.badge.dataset.state = run.state;
        const speed = run.rate ? ` · ${rate(run.rate, run.unit)}` : "",
          left = run.left ? ` · about ${duration(run.left)} left` : "";
        const measures = Object.entries(run.measures)
          .map(([name, value]) => ` · ${name} ${Number(value).toPrecision(3)}`)
          .join("");
        text(this.far, run.total ? progressWords(run) + speed + left + measures : "");
        this.meter.hidden = !["running", "stopping"].includes(run.state);
        this.meter.value = run.total ? (100 * run.done) / run.total : 0;
      }
      fold(title, content) {
        return el("details", {}, el("summary", {}, title), content);
      }
      copy(value) {
        const box = el("div", { class: "ss-copybox" }, el("div", { class: "ss-log" }, value));
        const button = el("button", { type: "button", class: "ss-link" }, "copy");
        button.addEventListener("click", async () => {
          try {
            await navigator.clipboard.writeText(value);
            button.textContent = "copied";
          } catch {
            getSelection().selectAllChildren(box.firstChild);
            button.textContent = "selected: copy it";
          }
        });
        box.append(button);
        return box;
      }
    }
    customElements.define("studio-runs", Runs);
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
