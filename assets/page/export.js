// Export: the dataset as an image folder, the adapter as a LoRA folder, the classifier as a program with its weights,
// each fetched as a zip.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el, Part, Answers, progressWords, many, query } = window.studio;
    const size = (bytes) =>
      bytes > 1e9
        ? `${(bytes / 1e9).toFixed(1)} GB`
        : bytes > 1e6
          ? `${(bytes / 1e6).toFixed(1)} MB`
          : `${Math.ceil(bytes / 1e3)} kB`;
    const SNIPPETS = {
      "export.image_folder": (folder) =>
        `from datasets import load_dataset\ndataset = load_dataset(${JSON.stringify(folder)})`,
      "export.classifier": (folder) =>
        `pip install open_clip_torch pillow safetensors\npython ${JSON.stringify(`${folder}/classify.py`)} photo.jpg`,
      "export.adapter": (folder) =>
        `from diffusers import StableDiffusionPipeline\npipe = StableDiffusionPipeline.from_pretrained("the ` +
        `backbone's folder or name")\npipe.load_lora_weights(${JSON.stringify(folder)})`,
    };

    const TITLES = { "export.image_folder": "Dataset", "export.adapter": "Adapter", "export.classifier": "Classifier" };
    const TAUGHT = {
      real_and_synthetic: "real + synthetic images",
      real_only: "real images only",
      synthetic_only: "synthetic images only",
      selection: "real + your selection",
    };
    const NOW = ["", "What is accepted now"];

    const field = (words, control) =>
      el("div", { class: "ss-field" }, el("label", { for: control.id }, words), control);

    class Export extends Part {
      build() {
        this.nothing = el(
          "div",
          { class: "ss-empty", hidden: true },
          "Nothing to export yet. When a recipe has finished, its images and its adapter can be written here.",
        );
        this.recipe = el("select", { class: "ss-select", id: "ss-export-recipe" });
        this.fold = el("select", { class: "ss-select", id: "ss-export-fold" });
        this.recipe.addEventListener("change", () => this.folds());
        this.classifier = el(
          "select",
          { class: "ss-select", id: "ss-export-classifier" },
          ...Object.entries(TAUGHT).map(([arm, words]) => el("option", { value: arm }, words)),
        );
        this.selection = el("select", { class: "ss-select", id: "ss-export-selection" });
        this.measures = el("studio-measured", { set: "", full: true });
        this.unfrozen = el(
          "p",
          { class: "ss-muted" },
          "What is accepted now is measured once it is a set: freeze it in Review.",
        );
        this.selection.addEventListener("change", () => this.chosen());
        this.name = el("input", { class: "ss-input", id: "ss-export-name", value: "dataset", maxlength: 120 });
        this.go = el("button", { type: "button", class: "ss-button strong", id: "ss-export-go" }, "Export");
        this.answers = new Answers("export", {
          pipeline: this.recipe,
          fold: this.fold,
          classifier: this.classifier,
          selection: this.selection,
          name: this.name,
        });
        this.go.addEventListener("click", async () => {
          this.go.disabled = true;
          await this.answers.ask("/exports", {
            pipeline: this.recipe.value,
            fold: Number(this.fold.value || 0),
            name: this.name.value,
            classifier: this.classifier.value,
            selection: this.selection.value,
          });
          this.go.disabled = false;
          this.loaded = 0;
          this.draw();
        });
        this.form = el(
          "div",
          { class: "ss-card", hidden: true },
          el("h2", {}, "Write a dataset for other tools"),
          el(
            "p",
            { class: "ss-muted" },
            "train: the shots and the synthetic images that are accepted (or a frozen selection), marked as " +
              "synthetic; rejected ones are left out. validation and test: real photos only. With a metadata table " +
              "and a card with the numbers. The adapter and the classifier, if the recipe made them, get folders " +
              "of their own.",
          ),
          el(
            "div",
            { class: "ss-fields" },
            field("Recipe run", this.recipe),
            field("Fold", this.fold),
            field("Images", this.selection),
            field("Classifier taught by", this.classifier),
            field("Name", this.name),
          ),
          el("div", { class: "ss-chosen" }, this.measures, this.unfrozen),
          this.answers.root,
          this.go,
        );
        this.list = el("div");
        this.append(this.nothing, this.form, this.list);
      }
      async draw() {
        if (this.offsetParent === null || this.busy || Date.now() - (this.loaded || 0) < 1200) return;
        this.busy = true;
        this.loaded = Date.now();
        try {
          const found = await (await fetch(`${BASE}/exports`)).json(),
            key = JSON.stringify(found);
          if (key !== this.key) {
            this.key = key;
            this.fill(found);
          }
        } catch {
          /* the bar says that the server is away */
        } finally {
          this.busy = false;
        }
      }
      fill(found) {
        this.nothing.hidden = found.recipes.length + found.exports.length > 0;
        this.form.hidden = !found.recipes.length;
        const chosen = this.recipe.value || query().get("recipe");
        this.recipes = found.recipes;
        this.recipe.replaceChildren(
          ...found.recipes.map((one) =>
            el(
              "option",
              { value: one.id },
              `${one.recipe} (${one.preset}) on ${one.data}, ${new Date(1000 * one.finished).toLocaleString()}`,
            ),
          ),
        );
        if (found.recipes.some((one) => one.id === chosen)) this.recipe.value = chosen;
        this.folds();
        const picked = this.selection.value || query().get("selection"),
          offered = [NOW, ...found.selections.map((one) => [one.id, `${one.name} (${many(one.size, "image")})`])];
        this.selection.replaceChildren(...offered.map(([value, words]) => el("option", { value }, words)));
        if (found.selections.some((one) => one.id === picked)) this.selection.value = picked;
        this.chosen();
        this.list.replaceChildren(...found.exports.map((one) => this.card(one)));
      }
      chosen() {
        this.unfrozen.hidden = Boolean(this.selection.value);
        this.measures.show(this.selection.value);
      }
      folds() {
        const one = this.recipes.find((recipe) => recipe.id === this.recipe.value);
        this.fold.replaceChildren(
          ...Array.from({ length: one?.folds || 0 }, (_, n) => el("option", { value: n }, String(n + 1))),
        );
      }
      card(one) {
        return el(
          "div",
          { class: "ss-card", "data-export": one.kind, "data-state": one.state },
          ...[
            el(
              "div",
              { class: "ss-live-head" },
              el("h3", {}, `${TITLES[one.kind]}: ${one.name}`),
              el(
                "div",
                { class: "ss-live-right" },
                el("span", { class: "ss-state", "data-state": one.state }, one.state),
                one.folder
                  ? el(
                      "a",
                      {
                        class: "ss-button strong",
                        href: `${BASE}/exports/${encodeURIComponent(one.run)}.zip`,
                        download: true,
                      },
                      `Download zip, ${size(one.bytes)}`,
                    )
                  : null,
              ),
            ),
            one.error ? el("div", { class: "ss-badline" }, one.error) : null,
            one.state === "running" ? el("p", { class: "ss-number" }, progressWords(one)) : null,
            one.counted
              ? el(
                  "p",
                  { class: "ss-number" },
                  `Kept by the filter: ${many(one.counted.before, "image")}; exported: ${one.counted.after}`,
                )
              : null,
            one.images ? el("studio-measured", { set: one.images }) : null,
            one.folder ? el("p", { class: "ss-muted" }, `${one.files} files in ${one.folder}`) : null,
            one.folder ? el("div", { class: "ss-log" }, SNIPPETS[one.kind](one.folder)) : null,
          ].filter(Boolean),
        );
      }
    }
    customElements.define("studio-export", Export);
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
