// Models, below the Library: what is here, where from, what each needs; downloads with progress, Stop and Resume.
// Names and licences come from strangers: only text.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el, text, send, say, act, duration, many, Part } = window.studio;
    const room = (bytes) =>
      bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : bytes ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : "–";
    const WHERE = {
      bundled: "bundled",
      package: "from a package",
      project: "named in this project",
      "hub cache": "in the Hub’s cache",
      "not here": "not here",
    };
    const web = (source) =>
      /^https?:\/\//.test(source)
        ? el("a", { class: "ss-link", href: source, target: "_blank", rel: "noreferrer noopener" }, "its page")
        : null;

    class Models extends Part {
      build() {
        this.precision = el(
          "select",
          { class: "ss-select", id: "ss-models-precision" },
          el("option", { value: "fp16" }, "half (fp16), where there is one"),
          el("option", { value: "fp32" }, "full (fp32)"),
        );
        this.other = el("input", {
          class: "ss-input",
          id: "ss-models-other",
          maxlength: 200,
          placeholder: "owner/name",
          autocomplete: "off",
          spellcheck: "false",
        });
        this.press = el("button", { class: "ss-button", id: "ss-models-fetch" }, "Download");
        this.why = el("div", { class: "ss-fielderror", role: "alert" });
        this.others = el(
          "div",
          { class: "ss-field" },
          el("label", { for: "ss-models-other" }, "Another model of the Hub"),
          el("span", { class: "ss-buttons" }, this.other, this.press),
        );
        this.form = el(
          "form",
          { class: "ss-fields" },
          el(
            "div",
            { class: "ss-field" },
            el("label", { for: "ss-models-precision" }, "Precision of downloads"),
            this.precision,
          ),
          this.others,
        );
        this.form.addEventListener("submit", (event) => {
          event.preventDefault();
          this.fetch(this.other.value.trim(), this.press);
        });
        this.body = el("tbody");
        this.sum = el("p", { class: "ss-muted ss-number" });
        this.append(
          el(
            "div",
            { class: "ss-card" },
            el("h2", {}, "Models"),
            this.sum,
            this.form,
            this.why,
            el(
              "div",
              { class: "ss-scroll" },
              el(
                "table",
                { class: "ss-table" },
                el(
                  "thead",
                  {},
                  el(
                    "tr",
                    {},
                    el("th", {}, "Model"),
                    el("th", {}, "Where"),
                    el("th", { class: "n" }, "Size"),
                    el("th", { class: "n ss-wide" }, "Memory, CPU / GPU"),
                    el("th", { class: "ss-wide" }, "Licence"),
                    el("th", {}, "Download"),
                  ),
                ),
                this.body,
              ),
            ),
          ),
        );
      }
      async draw() {
        if (this.offsetParent === null || this.busy || Date.now() - (this.loaded || 0) < 1500) return;
        await this.load();
      }
      async load() {
        this.busy = true;
        this.loaded = Date.now();
        try {
          const answer = await fetch(`${BASE}/models`);
          const key = await answer.text();
          if (answer.ok && key !== this.key) {
            this.key = key;
            this.take(JSON.parse(key));
          }
        } catch {
          /* the bar says that the server is away */
        } finally {
          this.busy = false;
        }
      }
      take(found) {
        const here = found.models.filter((one) => one.where !== "not here");
        text(
          this.sum,
          `${many(here.length, "model")} on this machine, ` +
            `${room(here.reduce((sum, one) => sum + one.bytes, 0))}. A download fetches one precision of the parts ` +
            "that are needed, and can be stopped and resumed.",
        );
        this.form.hidden = found.may === "none";
        this.others.hidden = found.may !== "any";
        this.body.replaceChildren(...found.models.map((one) => this.row(one, found.may)));
      }
      row(one, may) {
        const memory = one.memory_cpu ? `${room(one.memory_cpu)} / ${room(one.memory_gpu)}` : "–";
        return el(
          "tr",
          { "data-model": one.name },
          el(
            "td",
            { class: "ss-model" },
            el("strong", {}, one.name),
            el("div", { class: "ss-muted" }, one.about ? `${one.about} ` : null, web(one.source)),
            el(
              "div",
              { class: "ss-muted ss-narrow" },
              `${one.licence || "its card names no licence"}; memory ${memory}`,
            ),
            one.damaged ? el("div", { class: "ss-fielderror" }, one.damaged) : null,
          ),
          el(
            "td",
            { title: one.place || null },
            WHERE[one.where],
            one.purpose ? el("div", { class: "ss-muted" }, one.purpose) : null,
          ),
          el(
            "td",
            { class: "n" },
            one.where === "not here" && one.bytes ? `≈ ${room(one.bytes)}` : room(one.bytes),
            one.precision ? el("div", { class: "ss-muted" }, one.precision) : null,
          ),
          el("td", { class: "n ss-wide" }, memory),
          el("td", { class: "ss-wide" }, one.licence || "its card names none"),
          el("td", {}, ...[this.action(one, may)].filter(Boolean)),
        );
      }
      action(one, may) {
        const run = one.download;
        if (!run || run.state === "done") {
          if (!one.can_fetch || may === "none") return null;
          const button = el(
            "button",
            { type: "button", class: "ss-button", "aria-label": `Download ${one.name}` },
            "Download",
          );
          button.addEventListener("click", () => this.fetch(one.name, button));
          return button;
        }
        const words = run.total ? `${room(run.done * 1e6)} of ${room(run.total * 1e6)}` : run.state_words;
        if (["queued", "running", "stopping"].includes(run.state)) {
          return el(
            "div",
            { class: "ss-fetching" },
            el("progress", {
              max: run.total || 1,
              value: run.total ? run.done : null,
              "aria-label": `download of ${one.name}`,
            }),
            el(
              "div",
              { class: "ss-muted ss-number" },
              words,
              run.rate ? `, ${Math.max(0.1, run.rate).toFixed(1)} MB/s` : "",
              run.left ? `, ${duration(run.left)} left` : "",
            ),
            act("Stop", `/runs/${run.run}/stop`),
          );
        }
        return el(
          "div",
          { class: "ss-fetching" },
          el(
            "div",
            { class: run.state === "stopped" ? "ss-muted" : "ss-fielderror" },
            run.state === "stopped" ? `Stopped at ${words}.` : run.error || run.state_words,
          ),
          may === "none" ? null : act("Resume", `/runs/${run.run}/resume`),
        );
      }
      async fetch(model, button) {
        text(this.why, "");
        if (button === this.press && !/^[\w.-]+\/[\w.-]+$/.test(model)) {
          text(this.why, "Name a repository of the Hub: owner/name.");
          this.other.focus();
          return;
        }
        button.disabled = true;
        const { ok, found } = await send("/models/fetch", { model, precision: this.precision.value }).catch(() => ({
          ok: false,
          found: { detail: "The server cannot be reached. It was not done." },
        }));
        button.disabled = false;
        if (!ok) {
          text(this.why, found.detail);
          return;
        }
        if (button === this.press) this.other.value = "";
        say(`${model} is being downloaded.`, "note");
        this.key = "";
        await this.load();
      }
    }
    customElements.define("studio-models", Models);
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
