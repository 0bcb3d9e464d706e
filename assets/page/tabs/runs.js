// Runs: every run with its truth, one of them in full. Chosen run and place are kept in the address (?show=).
import { CompareBox } from "../charts/curves.js";
import { keep, query } from "../shared/address.js";
import { Rows, h, inSight, link, table, td, text, th } from "../shared/dom.js";
import { duration, progressWords } from "../shared/format.js";
import { say } from "../shared/say.js";
import { Away, Refused, get } from "../shared/server.js";
import { Part, state } from "../shared/state.js";
import { Queue } from "./queue.js";
import { Detail } from "./run.js";

const MOST = 8; // runs compared at once

class Runs extends Part {
  build() {
    this.nothing = h(
      "div",
      { class: "ss-empty", hidden: true },
      "No runs yet. Start a recipe on the Start tab; every step of it appears here.",
    );
    this.table = table(
      [
        th("ss-pick", "Compare"),
        th("", "What"),
        th("", "State"),
        th("", "Progress"),
        th("n ss-wide", "Cost"),
        th("ss-wide", "Asked"),
      ],
      [],
      "ss-list",
    );
    this.rows = new Rows(
      this.table.tBodies[0],
      (run) => this.row(run),
      update,
      (run) => run.run,
    );
    this.detail = new Detail(() => this.load());
    this.queue = new Queue();
    this.compare = new CompareBox();
    this.append(
      this.nothing,
      this.queue.root,
      h(
        "div",
        { class: "ss-split" },
        h("div", { class: "ss-scroll" }, this.table),
        h("div", {}, this.compare.root, this.detail.root),
      ),
    );
    this.loop();
  }
  draw() {} // it has a pace of its own
  async loop() {
    try {
      if (inSight(this) && !document.hidden) await this.load();
    } catch (error) {
      if (!(error instanceof Away || error instanceof Refused)) throw error; // the bar says that the server is away
    } finally {
      setTimeout(() => this.loop(), !this.isConnected ? 1500 : state?.running.length ? 1200 : 3000);
    }
  }
  async load() {
    const runs = await get("/runs", { limit: 200 });
    this.nothing.hidden = runs.length > 0;
    this.table.hidden = !runs.length;
    this.queue.draw(runs);
    this.table.classList.toggle("ss-no-compare", runs.filter((run) => run.curved).length < 2);
    this.rows.draw(runs);
    // What waits has nothing to show.
    const wanted = query().get("show") || (runs.find((run) => run.state !== "queued") || runs[0])?.run;
    await this.overlay(runs);
    if (wanted) await this.detail.show(wanted);
    for (const [id, { root }] of this.rows) root.setAttribute("aria-selected", id === wanted);
  }
  // The chosen runs are kept in the address (?compare=), so that a reload and a colleague see the same.
  chosen() {
    return (query().get("compare") || "").split(",").filter(Boolean);
  }
  async overlay(runs) {
    const known = new Set(runs.map((run) => run.run)),
      chosen = this.chosen()
        .filter((id) => known.has(id))
        .slice(0, MOST);
    for (const [id, row] of this.rows) row.pick.checked = chosen.includes(id);
    this.compare.draw(
      chosen.length < 2 ? [] : await get("/curves", new URLSearchParams(chosen.map((id) => ["run", id]))),
    );
  }
  pick(id, on) {
    const chosen = this.chosen().filter((one) => one !== id);
    if (on && chosen.length >= MOST) {
      say("Eight runs can be compared at once. Take one out first.");
      this.rows.get(id).pick.checked = false;
      return;
    }
    if (on) chosen.push(id);
    keep({ compare: chosen.join() || null });
    this.load();
  }
  row(run) {
    const words = link(),
      name = h("span", { class: "ss-muted ss-run-name" }),
      badge = h("span", { class: "ss-state" }),
      far = h("span", { class: "ss-number ss-muted" }),
      cost = td("n ss-wide");
    const pick = h("input", {
      type: "checkbox",
      "aria-label": `compare the loss of ${run.name || run.kind_words}`,
      onchange: () => this.pick(run.run, pick.checked),
    });
    const onclick = async () => {
      await this.choose(run.run);
      if (innerWidth <= 760) this.detail.root.scrollIntoView({ behavior: "smooth", block: "start" });
    };
    const asked = h("studio-time", { at: new Date(1000 * run.created).toISOString() });
    const root = h(
      "tr",
      { "data-run": run.run, onclick },
      h("td", { class: "ss-pick", onclick: (event) => event.stopPropagation() }, run.curved ? pick : ""),
      td("", words, name),
      td("", badge),
      td("", far),
      cost,
      td("ss-wide ss-asked", asked),
    );
    return { root, words, name, pick, badge, far, cost };
  }
  async choose(id) {
    keep({ show: id });
    this.detail.root.inert = true; // what is pressed there would be done to the run shown before
    try {
      await this.detail.show(id);
    } finally {
      this.detail.root.inert = false;
    }
    return this.load();
  }
}

function update(row, run) {
  text(row.words, run.named ? run.name : run.kind_words);
  text(row.name, run.named ? run.kind_words : "");
  row.words.title = [run.name, run.run].filter(Boolean).join("\n");
  text(row.badge, run.place ? `queued, place ${run.place}` : run.state_words);
  row.badge.dataset.state = run.state;
  text(row.far, run.total ? progressWords(run) + (run.left ? `, ${duration(run.left)} left` : "") : "");
  text(row.cost, run.seconds ? `${duration(run.seconds)} · ${Math.round(run.memory_mb)} MB` : "");
}

customElements.define("studio-runs", Runs);
