// Models, below the Library: what is here, where from, what each needs; downloads with progress, Stop and Resume.
// Names and licences come from strangers: only text.
import { button, field, forget, h, render, table, td, text, th } from "../shared/dom.js";
import { duration, many, share } from "../shared/format.js";
import { act, say, wordsOf } from "../shared/say.js";
import { get, post } from "../shared/server.js";
import { Asking } from "../shared/state.js";

const WHERE = {
  bundled: "bundled",
  package: "from a package",
  project: "named in this project",
  "hub cache": "in the Hub’s cache",
  "not here": "not here",
};

/** Sizes of models, in whole megabytes. */
const size = (bytes) =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : bytes ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : "–";

const web = (source) =>
  /^https?:\/\//.test(source) &&
  h("a", { class: "ss-link", href: source, target: "_blank", rel: "noreferrer noopener" }, "its page");

class Models extends Asking {
  every = 1500;

  build() {
    this.precision = h(
      "select",
      { class: "ss-select", id: "ss-models-precision" },
      h("option", { value: "fp16" }, "half (fp16), where there is one"),
      h("option", { value: "fp32" }, "full (fp32)"),
    );
    this.other = h("input", {
      class: "ss-input",
      id: "ss-models-other",
      maxlength: 200,
      placeholder: "owner/name",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.press = h("button", { class: "ss-button", id: "ss-models-fetch" }, "Download");
    this.why = h("div", { class: "ss-fielderror", role: "alert" });
    this.others = h(
      "div",
      { class: "ss-field" },
      h("label", { for: "ss-models-other" }, "Another model of the Hub"),
      h("span", { class: "ss-buttons" }, this.other, this.press),
    );
    const onsubmit = (event) => {
      event.preventDefault();
      this.fetchOther(this.other.value.trim());
    };
    this.form = h(
      "form",
      { class: "ss-fields", onsubmit },
      field("Precision of downloads", this.precision),
      this.others,
    );
    this.sum = h("p", { class: "ss-muted ss-number" });
    this.box = h("div", { class: "ss-scroll" });
    this.append(h("div", { class: "ss-card" }, h("h2", {}, "Models"), this.sum, this.form, this.why, this.box));
    this.fill([], "none");
  }
  async look() {
    const found = await get("/models");
    const here = found.models.filter((one) => one.where !== "not here");
    text(
      this.sum,
      `${many(here.length, "model")} on this machine, ` +
        `${size(here.reduce((sum, one) => sum + one.bytes, 0))}. A download fetches one precision of the parts ` +
        "that are needed, and can be stopped and resumed.",
    );
    this.form.hidden = found.may === "none";
    this.others.hidden = found.may !== "any";
    this.fill(found.models, found.may);
  }
  fill(models, may) {
    render(this.box, { models, may }, () =>
      table(
        [
          th("", "Model"),
          th("", "Where"),
          th("n", "Size"),
          th("n ss-wide", "Memory, CPU / GPU"),
          th("ss-wide", "Licence"),
          th("", "Download"),
        ],
        models.map((one) => this.row(one, may)),
      ),
    );
  }
  row(one, may) {
    const memory = one.memory_cpu ? `${size(one.memory_cpu)} / ${size(one.memory_gpu)}` : "–";
    return h(
      "tr",
      { "data-model": one.name },
      td(
        "ss-model",
        h("strong", {}, one.name),
        h("div", { class: "ss-muted" }, one.about && `${one.about} `, web(one.source)),
        h("div", { class: "ss-muted ss-narrow" }, `${one.licence || "its card names no licence"}; memory ${memory}`),
        one.damaged && h("div", { class: "ss-fielderror" }, one.damaged),
      ),
      h(
        "td",
        { title: one.place || null },
        WHERE[one.where],
        one.purpose && h("div", { class: "ss-muted" }, one.purpose),
      ),
      td(
        "n",
        one.where === "not here" && one.bytes ? `≈ ${size(one.bytes)}` : size(one.bytes),
        one.precision && h("div", { class: "ss-muted" }, one.precision),
      ),
      td("n ss-wide", memory),
      td("ss-wide", one.licence || "its card names none"),
      td("", this.action(one, may)),
    );
  }
  action(one, may) {
    const run = one.download;
    if (!run || run.state === "done")
      return (
        one.can_fetch &&
        may !== "none" &&
        button("Download", ({ currentTarget }) => this.fetchModel(one.name, currentTarget), "", {
          "aria-label": `Download ${one.name}`,
        })
      );
    const far = run.total ? `${size(run.done * 1e6)} of ${size(run.total * 1e6)}` : run.state_words;
    return ["queued", "running", "stopping"].includes(run.state) ? this.fetching(one, far) : this.halted(run, far, may);
  }
  fetching({ name, download: run }, far) {
    return h(
      "div",
      { class: "ss-fetching" },
      h("progress", {
        max: 100,
        value: run.total ? share(run) : null,
        "aria-label": `download of ${name}`,
      }),
      h(
        "div",
        { class: "ss-muted ss-number" },
        far,
        run.rate ? `, ${Math.max(0.1, run.rate).toFixed(1)} MB/s` : null,
        run.left ? `, ${duration(run.left)} left` : null,
      ),
      act("Stop", `/runs/${run.run}/stop`),
    );
  }
  halted(run, far, may) {
    const stopped = run.state === "stopped";
    return h(
      "div",
      { class: "ss-fetching" },
      h(
        "div",
        { class: stopped ? "ss-muted" : "ss-fielderror" },
        stopped ? `Stopped at ${far}.` : run.error || run.state_words,
      ),
      may !== "none" && act("Resume", `/runs/${run.run}/resume`),
    );
  }
  async fetchOther(model) {
    if (/^[\w.-]+\/[\w.-]+$/.test(model)) {
      if (await this.fetchModel(model, this.press)) this.other.value = "";
      return;
    }
    text(this.why, "Name a repository of the Hub: owner/name.");
    this.other.focus();
  }
  async fetchModel(model, pressed) {
    text(this.why, "");
    pressed.disabled = true;
    try {
      await post("/models/fetch", { model, precision: this.precision.value });
    } catch (error) {
      text(this.why, wordsOf(error));
      return false;
    } finally {
      pressed.disabled = false;
    }
    say(`${model} is being downloaded.`, "note");
    forget(this.box);
    await this.ask();
    return true;
  }
}
customElements.define("studio-models", Models);
