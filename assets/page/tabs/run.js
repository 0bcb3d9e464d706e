// One run in full: how far it is, what it made, its log, its settings, and the same from a terminal and from Python.
import { place, query, review } from "../shared/address.js";
import { button, copy, differs, fill, fold, h, link, table, td, text, tr } from "../shared/dom.js";
import { duration, many, progressLine, share } from "../shared/format.js";
import { renamingRun } from "../shared/renaming.js";
import { act } from "../shared/say.js";
import { get } from "../shared/server.js";
import { picture, thumb } from "./pictures.js";

const LOGGED = 20000; // characters of a log that are shown

export class Detail {
  /** `renamed` hears of a new name. */
  constructor(renamed) {
    this.renamed = renamed;
    this.root = h("div", { class: "ss-card ss-detail", hidden: true });
  }
  async show(id) {
    const run = await get(`/runs/${encodeURIComponent(id)}`),
      wanted = query().get("show");
    if (wanted && wanted !== id) return; // another was chosen meanwhile
    this.root.hidden = false;
    const looks = [run.run, run.state, run.image_count, run.notes.length, run.previews[0]?.step, run.damage, run.name];
    if (!this.root.querySelector(".ss-renaming") && differs(this.root, looks)) this.build(run);
    this.live(run);
    if (["running", "stopping", "failed", "lost"].includes(run.state) || !this.log.textContent) await this.read(id);
  }
  async read(id) {
    const log = await get(`/runs/${encodeURIComponent(id)}/log`, {}, { as: "text" });
    const end = this.log.scrollTop + this.log.clientHeight >= this.log.scrollHeight - 8;
    text(this.log, log.slice(-LOGGED) || "The log is empty.");
    if (end) this.log.scrollTop = this.log.scrollHeight;
  }
  build(run) {
    this.badge = h("span", { class: "ss-state", role: "status" });
    this.far = h("p", { class: "ss-number" });
    this.meter = h("progress", { max: 100, value: 0, "aria-label": "progress of this run", style: "width:100%" });
    this.log = h("div", { class: "ss-log", tabindex: 0, role: "log", "aria-label": "log" });
    fill(
      this.root,
      this.head(run),
      (run.error || run.damage) && h("div", { class: "ss-badline", role: "alert" }, run.error || run.damage),
      this.far,
      this.meter,
      facts(run),
      run.notes.map((note) => h("div", { class: note.level === "warning" ? "ss-warnline" : "ss-muted" }, note.text)),
      images(run),
      h("h3", {}, "Log"),
      this.log,
      fold("Settings", table([], Object.entries(run.fields).map(setting))),
      fold("Outputs", h("div", { class: "ss-log" }, JSON.stringify(run.outputs, null, 1))),
      run.refused.length > 0 && fold(`Not used: ${run.refused.length}`, table([], run.refused.map(refusal))),
      fold("The same from a terminal", copybox(run.command)),
      fold("The same from Python", copybox(run.python)),
    );
  }
  head(run) {
    const beside = `${run.named ? run.kind_words : run.name}${run.named || run.name ? " · " : ""}${run.run}`;
    return h(
      "div",
      { class: "ss-live-head" },
      h(
        "div",
        {},
        h(
          "div",
          { class: "ss-named" },
          h("h2", {}, run.named ? run.name : run.kind_words),
          renamingRun(run.run, () => run.name || run.kind_words, this.renamed),
        ),
        h("span", { class: "ss-muted" }, beside),
      ),
      h("div", { class: "ss-live-right" }, this.badge, h("span", { class: "ss-buttons" }, steering(run))),
    );
  }
  live(run) {
    const measures = Object.entries(run.measures)
      .map(([name, value]) => ` · ${name} ${Number(value).toPrecision(3)}`)
      .join("");
    text(this.badge, run.state_words);
    this.badge.dataset.state = run.state;
    text(this.far, run.total ? progressLine(run, "about ") + measures : "");
    this.meter.hidden = !["running", "stopping"].includes(run.state);
    this.meter.value = share(run);
  }
}

function steering(run) {
  const path = `/runs/${encodeURIComponent(run.run)}`,
    is = (...states) => states.includes(run.state),
    tab = run.kind.startsWith("adapt") ? "adapt" : "sample";
  return [
    is("queued", "running") && act("Stop", `${path}/stop`),
    is("running", "stopping") && act("Mark as stopped", `${path}/end`, "quiet"),
    is("stopped", "failed", "lost") && act("Resume", `${path}/resume`, "strong"),
    is("done") && act("Make again", `${path}/again`, run.damage ? "strong" : ""),
    is("done") &&
      run.image_count > 0 &&
      !run.kind.startsWith("collect.") &&
      button("Review these", () => review({ what: run.run })),
    run.reusable && h("a", { class: "ss-button", href: place({ tab, from: run.run }) }, "Use these settings"),
  ];
}

const facts = (run) =>
  h(
    "dl",
    { class: "ss-facts" },
    [
      ["Attempt", String(run.attempt)],
      ["Time", run.seconds ? duration(run.seconds) : "–"],
      ["Memory", run.memory_mb ? `${Math.round(run.memory_mb)} MB` : "–"],
      ["Device", run.device.startsWith("files") ? "none needed" : run.device || "–"],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );

const images = (run) => [
  run.previews.length > 0 && [
    h("h3", {}, `Samples while training, step ${run.previews[0].step}`),
    h("div", { class: "ss-newest" }, run.previews[0].images.map(picture)),
  ],
  run.images.length > 0 && [
    h("h3", {}, `Newest of ${many(run.image_count, "image")}`),
    h("div", { class: "ss-newest" }, run.images.map(made)),
  ],
];

const made = (one) =>
  h("img", {
    src: thumb(one.digest),
    alt: one.label,
    title: `${one.label}\n${one.prompt}`,
    loading: "lazy",
  });

const setting = ([name, value]) => tr(td("", name), td("", typeof value === "string" ? value : JSON.stringify(value)));
const refusal = (one) => tr(td("", one.name), td("", one.reason));

function copybox(words) {
  const press = link("copy", async () => {
    await copy(words);
    press.textContent = "copied";
  });
  return h("div", { class: "ss-copybox" }, h("div", { class: "ss-log" }, words), press);
}
