// Export: the dataset in a format of one's choice, the adapter as a LoRA folder, the classifier as a program with its weights,
// each fetched as a zip.
import { query } from "../shared/address.js";
import { Answers } from "../shared/answers.js";
import { button, field, h, offer, render, stateBadge } from "../shared/dom.js";
import { many, progressWords, room } from "../shared/format.js";
import { BASE, get } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { FrozenSets } from "./frozen_sets.js";

const SNIPPETS = {
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

const select = (name, onchange) => h("select", { class: "ss-select", id: `ss-export-${name}`, onchange });

/** Choose in a select what the address names, unless something was chosen before. */
function begin(control, options, name) {
  const before = control.value || query().get(name);
  if (offer(control, options) && options.some(([value]) => value === before)) control.value = before;
}

class Export extends Asking {
  every = 1200;

  build() {
    this.nothing = h(
      "div",
      { class: "ss-empty", hidden: true },
      "Nothing to export yet. When a recipe has finished, its images and its adapter can be written here.",
    );
    this.recipe = select("recipe", () => this.folds());
    this.fold = select("fold");
    this.classifier = select("classifier");
    offer(this.classifier, Object.entries(TAUGHT));
    this.selection = select("selection", () => this.chosen());
    this.format = select("format");
    this.strip = h("input", { type: "checkbox", id: "ss-export-strip" });
    this.measures = h("studio-measured", { set: "", full: true });
    this.unfrozen = h(
      "p",
      { class: "ss-muted" },
      "What is accepted now is measured once it is a set: freeze it in Review.",
    );
    this.name = h("input", { class: "ss-input", id: "ss-export-name", value: "dataset", maxlength: 120 });
    this.go = button("Export", () => this.send(), "strong", { id: "ss-export-go" });
    this.answers = new Answers("export", {
      pipeline: this.recipe,
      fold: this.fold,
      classifier: this.classifier,
      selection: this.selection,
      format: this.format,
      name: this.name,
    });
    this.form = h(
      "div",
      { class: "ss-card", hidden: true },
      h("h2", {}, "Write a dataset for other tools"),
      h(
        "p",
        { class: "ss-muted" },
        "train: the shots and the synthetic images that are accepted (or a frozen selection), marked as " +
          "synthetic; rejected ones are left out. validation and test: real photos only. With a metadata table " +
          "and a card with the numbers. The adapter and the classifier, if the recipe made them, get folders " +
          "of their own.",
      ),
      h(
        "div",
        { class: "ss-fields" },
        field("Recipe run", this.recipe),
        field("Fold", this.fold),
        field("Images", this.selection),
        field("Classifier trained on", this.classifier),
        field("Format", this.format),
        field("Name", this.name),
      ),
      h(
        "label",
        { class: "ss-check" },
        this.strip,
        "Leave out how images were made and who decided: notes in files, prompts, seeds, names",
      ),
      h("div", { class: "ss-chosen" }, this.measures, this.unfrozen),
      this.answers.root,
      this.go,
    );
    this.list = h("div");
    this.frozen = new FrozenSets();
    this.append(this.nothing, this.form, this.frozen.root, this.list);
  }
  async send() {
    this.go.disabled = true;
    await this.answers.ask("/exports", {
      pipeline: this.recipe.value,
      fold: Number(this.fold.value || 0),
      name: this.name.value,
      classifier: this.classifier.value,
      selection: this.selection.value,
      format: this.format.value,
      strip: this.strip.checked,
    });
    this.go.disabled = false;
    this.again();
  }
  async look() {
    const { recipes, exports, selections, formats } = await get("/exports");
    this.nothing.hidden = recipes.length + exports.length > 0;
    this.form.hidden = !recipes.length;
    this.recipes = recipes;
    const made = (one) => new Date(1000 * one.finished).toLocaleString();
    begin(
      this.recipe,
      recipes.map((one) => [one.id, `${one.recipe} (${one.preset}) on ${one.data}, ${made(one)}`]),
      "recipe",
    );
    this.folds();
    const frozen = selections.map((one) => [one.id, `${one.name} (${many(one.size, "image")})`]);
    begin(this.selection, [NOW, ...frozen], "selection");
    this.frozen.draw(selections);
    begin(this.format, formats, "format");
    this.chosen();
    render(this.list, exports, () => exports.map(card));
  }
  chosen() {
    this.unfrozen.hidden = Boolean(this.selection.value);
    this.measures.show(this.selection.value);
  }
  folds() {
    const one = this.recipes.find((recipe) => recipe.id === this.recipe.value);
    offer(
      this.fold,
      Array.from({ length: one?.folds || 0 }, (_, n) => [n, String(n + 1)]),
    );
  }
}

const card = (one) =>
  h(
    "div",
    { class: "ss-card", "data-export": one.kind, "data-state": one.state },
    h(
      "div",
      { class: "ss-live-head" },
      h("h3", {}, `${TITLES[one.kind]}: ${one.name}`),
      h("div", { class: "ss-live-right" }, stateBadge(one.state), one.folder && zip(one)),
    ),
    one.error && h("div", { class: "ss-badline" }, one.error),
    one.state === "running" && h("p", { class: "ss-number" }, progressWords(one)),
    one.counted &&
      h(
        "p",
        { class: "ss-number" },
        `Kept by the filter: ${many(one.counted.before, "image")}; exported: ${one.counted.after}`,
      ),
    one.images && h("studio-measured", { set: one.images }),
    one.folder && [
      h("p", { class: "ss-muted" }, `${one.files} files in ${one.folder}`),
      h("div", { class: "ss-log" }, one.loading || SNIPPETS[one.kind](one.folder)),
    ],
  );

const zip = (one) =>
  h(
    "a",
    { class: "ss-button strong", href: `${BASE}/exports/${encodeURIComponent(one.run)}.zip`, download: true },
    `Download zip, ${room(one.bytes)}`,
  );

customElements.define("studio-export", Export);
