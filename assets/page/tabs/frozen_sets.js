// Frozen sets: what has changed since a selection was frozen, or between two, and going back to one. Names come from
// strangers: only text.
import { review } from "../shared/address.js";
import { Answers } from "../shared/answers.js";
import { button, field, fill, h, link, offer, table, td, th, tr, uuid } from "../shared/dom.js";
import { many } from "../shared/format.js";
import { wordsOf } from "../shared/say.js";
import { get } from "../shared/server.js";
import { thumb } from "./pictures.js";

const KINDS = { added: "Added", removed: "Removed", moved: "Moved to another class" };
const select = (name, onchange) => h("select", { class: "ss-select", id: `ss-frozen-${name}`, onchange });

export class FrozenSets {
  constructor() {
    this.before = select("before", () => this.show());
    this.after = select("after", () => this.show());
    this.answers = new Answers("frozen", { before: this.before, name: this.before, after: this.after });
    this.shown = h("div", { role: "region", "aria-label": "what has changed", "aria-live": "polite" });
    this.said = h("div", { "aria-live": "polite" });
    this.back = button("Restore", () => this.restore(), "", { id: "ss-frozen-restore" });
    this.root = h(
      "div",
      { class: "ss-card", "data-part": "frozen", hidden: true },
      h("h2", {}, "What has changed?"),
      h(
        "p",
        { class: "ss-muted" },
        "Between a frozen selection and what is accepted now, or another one. Restore decides every image that " +
          "differs as it was decided then; one press takes it back.",
      ),
      h("div", { class: "ss-fields" }, field("From", this.before), field("To", this.after)),
      h(
        "div",
        { class: "ss-buttons" },
        button("Compare", () => this.compare(), "strong", { id: "ss-frozen-go" }),
        button("Review its images", () => review({ what: this.before.value })),
        this.back,
      ),
      this.answers.root,
      this.said,
      this.shown,
    );
  }
  /** The selections there are. */
  draw(selections) {
    this.root.hidden = !selections.length;
    const named = selections.map((one) => [one.id, `${one.name} (${many(one.size, "image")})`]);
    offer(this.before, named);
    offer(this.after, [["", "What is accepted now"], ...named]);
  }
  show() {
    this.answers.refuse("");
    fill(this.said);
    fill(this.shown);
  }
  async compare() {
    this.show();
    try {
      this.drawn(await get("/frozen", { before: this.before.value, after: this.after.value }));
    } catch (error) {
      this.answers.refuse(wordsOf(error), error.fields);
    }
  }
  async restore() {
    this.show();
    const answer = await this.answers.ask("/frozen/restore", { name: this.before.value, id: uuid() });
    if (!answer) return;
    const { act, changed } = answer;
    const words = changed
      ? `${many(changed, "image")} decided as when it was frozen.`
      : "Nothing to restore: it is what is accepted now.";
    fill(this.said, h("p", {}, words, " ", changed > 0 && link("Take it back", () => this.undo(act))));
  }
  async undo(act) {
    const answer = await this.answers.ask("/frozen/undo", { act });
    if (answer) fill(this.said, h("p", {}, `${many(answer.changed, "image")} decided as before.`));
  }
  drawn({ sentence, classes, counts, images }) {
    const heads = ["Class", "From", "To", "Came", "Went"].map((words, place) => th(place ? "n" : "", words));
    const rows = classes.map(([label, ...numbers]) =>
      tr(
        td("", label),
        numbers.map((one) => td("n", String(one))),
      ),
    );
    fill(
      this.shown,
      h("p", {}, sentence),
      rows.length > 0 && h("div", { class: "ss-scroll" }, table(heads, rows)),
      Object.entries(KINDS).map(([kind, words]) => images[kind] && group(`${words}: ${counts[kind]}`, images[kind])),
    );
  }
}

const group = (words, some) => [h("h3", {}, words), h("div", { class: "ss-newest" }, some.map(picture))];

const picture = ({ digest, before, after }) =>
  h("img", {
    src: thumb(digest),
    alt: [before, after].filter(Boolean).join(" to "),
    title: `${before || "not there"} → ${after || "not there"}\n${digest}`,
    loading: "lazy",
    decoding: "async",
    width: 96,
    height: 96,
    "data-digest": digest,
  });
