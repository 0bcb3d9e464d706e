// What an import would bring, before anything is kept: classes, remarks, files that are not used, and the name.
import { Answers } from "../shared/answers.js";
import { button, h, link, table, td, th, tr } from "../shared/dom.js";
import { many } from "../shared/format.js";
import { tell } from "../shared/say.js";
import { badge, refused } from "./photos.js";

export class DryRun {
  /** `data` is the tab, `token` its upload, `found` what was found in it. */
  constructor(data, token, found) {
    Object.assign(this, { data, token, found });
    const over = button("Start over", () => data.startOver(token));
    this.root = found.error
      ? h(
          "div",
          { class: "ss-card" },
          h("h3", {}, "This cannot be imported"),
          h("div", { class: "ss-badline", role: "alert" }, found.error),
          over,
        )
      : this.report(over);
  }
  report(over) {
    const { data, found } = this;
    this.title = h("input", {
      class: "ss-input",
      id: "ss-title",
      value: data.named || "My photos",
      maxlength: 80,
      oninput: () => {
        data.named = this.title.value;
      },
    });
    this.label = h("input", {
      class: "ss-input",
      id: "ss-loose",
      "aria-label": "class of the loose files",
      placeholder: "name of their class",
      maxlength: 120,
      list: "ss-classes",
      onkeydown: (event) => event.key === "Enter" && this.name(),
    });
    this.answers = new Answers("import", { title: this.title, label: this.label });
    this.keep = button(`Import ${many(found.images, "photo")}`, () => this.confirm(), "strong", {
      id: "ss-import",
      disabled: !found.images,
    });
    return h(
      "div",
      { class: "ss-card", id: "ss-dryrun" },
      h("h2", {}, "What an import would bring"),
      h("p", { class: "ss-muted" }, "Nothing is kept yet. Drop more photos above to add them."),
      found.copies && h("p", { class: "ss-muted" }, found.copies),
      found.homeless > 0 && this.loose(),
      h(
        "div",
        { class: "ss-badges" },
        [...found.badges, ...unsent(data.failed)].map((one) => badge({ ...one, action: "" })),
      ),
      this.archives(),
      found.classes.length > 0 && this.classes(),
      refused(found, (one) => this.remover(`Remove ${one.name}`, { name: one.name })),
      this.answers.root,
      h(
        "div",
        { class: "ss-importbar" },
        h("label", { for: "ss-title" }, "Name "),
        h("div", {}, this.title),
        this.keep,
        over,
      ),
    );
  }
  async confirm() {
    if (!this.title.value.trim()) {
      this.answers.wrong("title", "Name: give these photos one, to find them again.");
      return;
    }
    this.keep.disabled = true;
    const done = await this.answers.ask(`/uploads/${this.token}/confirm`, { title: this.title.value });
    if (done) await this.data.importing(done);
    else this.keep.disabled = false;
  }
  // Files without a class get one.
  async name() {
    if (!this.label.value.trim()) {
      this.answers.wrong("label", "Class of the loose files: write its name first.");
      return;
    }
    await this.data.check(this.token, (path, body) => this.answers.ask(path, body), this.label.value);
  }
  loose() {
    const { homeless, classes } = this.found;
    return h(
      "div",
      { class: "ss-loosebox" },
      h("p", {}, `${homeless === 1 ? "1 file has" : `${homeless} files have`} no class yet. What do they show?`),
      h(
        "div",
        { class: "ss-buttons" },
        h(
          "div",
          {},
          this.label,
          h(
            "datalist",
            { id: "ss-classes" },
            classes.map((one) => h("option", { value: one.label })),
          ),
        ),
        button("Put them in this class", () => this.name(), "strong"),
      ),
    );
  }
  classes() {
    const { classes } = this.found,
      most = Math.max(...classes.map((one) => one.images));
    const line = (one) =>
      tr(
        td("", one.label),
        td("n", String(one.images)),
        td("ss-wide", h("progress", { max: most, value: one.images, "aria-label": many(one.images, "photo") })),
        td(
          "",
          h(
            "span",
            { class: "ss-pics" },
            one.pictures.map((src) => h("img", { src, alt: "" })),
          ),
        ),
        td("", one.loose && this.remover(`Remove the class ${one.label}`, { label: one.label })),
      );
    const heads = [th("", "Class"), th("n", "Photos"), th("ss-wide", "Share"), th("", "Some of them"), td("")];
    return h("div", { class: "ss-scroll" }, table(heads, classes.map(line)));
  }
  archives() {
    const { archives } = this.found;
    return (
      archives.length > 0 &&
      h(
        "ul",
        { class: "ss-archives", "aria-label": "zips and tables" },
        archives.map((name) => h("li", {}, name, " ", this.remover(`Remove ${name}`, { name }))),
      )
    );
  }
  // Take a file or a class out, then look again; an upload without files is none.
  remover(words, what) {
    const press = async ({ currentTarget }) => {
      currentTarget.disabled = true;
      const done = await tell(`/uploads/${this.token}/remove`, what);
      if (!done) currentTarget.disabled = false;
      else if (!done.left) await this.data.startOver(this.token);
      else await this.data.check(this.token);
    };
    return link("Remove", press, { "aria-label": words, title: words });
  }
}

/** A remark on what could not be sent. */
function unsent(failed) {
  if (!failed.length) return [];
  const [[name, why]] = failed;
  const count = failed.length === 1 ? "1 file was" : `${failed.length} files were`;
  return [{ level: "warn", text: `${count} not sent (${name}: ${why}).` }];
}
