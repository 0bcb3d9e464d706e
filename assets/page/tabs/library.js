// Library: every set, adapter, classifier, report and export with its name and its room on the disk, and what can be done
// with each. What is open is kept in the address (?thing=). Names come from strangers: only text.
import { changed, keep, query } from "../shared/address.js";
import {
  button,
  field,
  fill,
  forget,
  h,
  link,
  differs,
  offer,
  stateBadge,
  table,
  td,
  text,
  th,
} from "../shared/dom.js";
import { many } from "../shared/format.js";
import { renaming } from "../shared/renaming.js";
import { say, tell, wordsOf } from "../shared/say.js";
import { get, post } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { Throwing, sized } from "./throwing.js";

const STATES = { freed: "thrown away", partly: "partly thrown away", working: "working" };
// What the address says of other tabs; where a button leads, it says its own.
const ELSEWHERE =
  "thing from show run report only selection adapter images real synthetic recipe measure measured".split(" ");

/** A place in the page with its form filled; whatever else the address says stays, such as the project. */
const place = (go) => changed({ ...Object.fromEntries(ELSEWHERE.map((name) => [name, null])), ...go });

const time = (seconds) => h("studio-time", { at: new Date(1000 * seconds).toISOString() });

class Library extends Asking {
  every = 2500;
  chosen = new Set();
  known = [];

  build() {
    this.nothing = h(
      "div",
      { class: "ss-empty", hidden: true },
      "Nothing is here yet. Import photos under Data, or start a recipe; every set, adapter, classifier " +
        "and report of this project appears here.",
    );
    this.kinds = h("select", { class: "ss-select", id: "ss-library-kind", onchange: () => this.fill() });
    this.words = h("input", {
      class: "ss-input",
      id: "ss-library-words",
      type: "search",
      maxlength: 120,
      placeholder: "part of a name",
      oninput: () => this.fill(),
    });
    this.sum = h("p", { class: "ss-muted ss-number", role: "status" });
    this.all = h("input", {
      type: "checkbox",
      "aria-label": "choose all that are listed",
      onchange: () => {
        for (const one of this.listed()) this.pick(one.id, this.all.checked);
        this.fill();
      },
    });
    this.table = table(
      [
        th("", this.all),
        th("", "Name"),
        th("", "Kind"),
        th("n ss-wide", "Images"),
        th("n", "On disk"),
        th("ss-wide", "Made"),
      ],
      [],
      "ss-list",
    );
    this.body = this.table.tBodies[0];
    this.away = button("Throw away…", () => this.throwing.plan([...this.chosen]), "", {
      id: "ss-library-free",
      disabled: true,
    });
    this.side = h("div", { class: "ss-card", hidden: true, "aria-live": "polite" });
    this.throwing = new Throwing(this.side, (gone) => {
      if (gone) this.chosen.clear();
      this.reload();
    });
    this.form = h(
      "div",
      {},
      h("div", { class: "ss-fields" }, field("Kind", this.kinds), field("Name", this.words), this.away),
      this.sum,
      h("div", { class: "ss-split" }, h("div", { class: "ss-scroll" }, this.table), this.side),
    );
    this.append(this.nothing, this.form);
  }
  async look() {
    const found = await get("/things");
    if (differs(this, found)) this.take(found);
  }
  reload() {
    forget(this);
    return this.ask();
  }
  take(found) {
    const ids = new Set(found.things.map((one) => one.id)),
      wanted = query().get("thing");
    this.known = found.things;
    for (const id of this.chosen) if (!ids.has(id)) this.chosen.delete(id);
    offer(this.kinds, [["", "Everything"], ...found.kinds.map((one) => [one.role, one.words])]);
    this.nothing.hidden = found.things.length > 0;
    this.form.hidden = !found.things.length;
    this.fill();
    if (this.throwing.planning || this.side.querySelector("form")) return;
    if (wanted && ids.has(wanted)) this.open(wanted);
    else this.side.hidden = true;
  }
  listed() {
    const words = this.words.value.trim().toLowerCase();
    return this.known.filter(
      (one) =>
        (!this.kinds.value || one.role === this.kinds.value) &&
        (!words || `${one.name} ${one.kind} ${one.made}`.toLowerCase().includes(words)),
    );
  }
  fill() {
    const shown = this.listed(),
      opened = query().get("thing");
    const none = h("tr", {}, h("td", { colspan: 6, class: "ss-muted" }, "Nothing of this kind and name."));
    fill(this.body, shown.length ? shown.map((one) => this.row(one, opened)) : none);
    this.all.checked = shown.length > 0 && shown.every((one) => this.chosen.has(one.id));
    text(this.sum, `${many(shown.length, "thing")} listed. Images that several sets share count in each of them.`);
    this.choose();
  }
  row(one, opened) {
    const pick = h("input", {
      type: "checkbox",
      "aria-label": `choose ${one.name}`,
      checked: this.chosen.has(one.id),
      onchange: () => {
        this.pick(one.id, pick.checked);
        this.choose();
      },
    });
    return h(
      "tr",
      {
        "data-thing": one.id,
        "aria-selected": String(one.id === opened),
        onclick: (event) => event.target !== pick && this.show(one.id),
      },
      td("", pick),
      td(
        "ss-library-name",
        link(one.name, null, { title: one.name }),
        STATES[one.state] && stateBadge(one.state === "working" ? "running" : "", STATES[one.state]),
        one.role === "set" && h("studio-measured", { set: one.id, name: one.name }),
      ),
      td("", one.kind),
      td("n ss-wide", one.images === null ? "" : String(one.images)),
      td("n", sized(one.bytes)),
      td("ss-wide ss-asked", time(one.created)),
    );
  }
  pick(id, on) {
    if (on) this.chosen.add(id);
    else this.chosen.delete(id);
  }
  choose() {
    this.away.disabled = !this.chosen.size;
    text(this.away, this.chosen.size ? `Throw away ${this.chosen.size}…` : "Throw away…");
  }
  async show(thing) {
    this.throwing.planning = false;
    keep({ thing });
    for (const row of this.body.children) row.setAttribute("aria-selected", String(row.dataset.thing === thing));
    await this.open(thing);
    if (innerWidth <= 760) this.side.scrollIntoView({ behavior: "smooth", block: "start" });
  }
  async open(id) {
    try {
      const one = await get("/things/one", { id });
      this.side.hidden = false;
      fill(this.side, this.detail(one));
    } catch (error) {
      wordsOf(error);
      say("This is not here any more.");
    }
  }
  detail(one) {
    const gone = ["freed", "partly"].includes(one.state);
    return [
      h(
        "div",
        { class: "ss-live-head" },
        h("div", {}, h("h2", { class: "ss-path" }, one.name), this.naming(one)),
        STATES[one.state] && h("span", { class: "ss-state" }, STATES[one.state]),
      ),
      gone &&
        h(
          "div",
          { class: "ss-warnline" },
          "Its images or weights were thrown away to free space. Its log, its numbers and what you " +
            "decided are kept. Make it again here, or ask for anything that needs it.",
        ),
      facts(one),
      one.role === "set" && [h("h3", {}, "Measures"), h("studio-measured", { set: one.id, full: true })],
      h("h3", {}, "What can I do with this?"),
      h(
        "span",
        { class: "ss-buttons" },
        gone && this.again(one, "Make it again"),
        one.role === "run" && one.state === "here" && this.again(one, "Resume"),
        one.actions.map((act) => h("a", { class: "ss-button", href: place(act.go) }, act.words)),
        one.role !== "report" && one.state !== "freed" && button("Throw away…", () => this.throwAway(one)),
      ),
      h("h3", {}, "Where it came from"),
      this.origin(one),
      h("h3", {}, "What has read it"),
      readers(one),
    ];
  }
  throwAway({ id }) {
    this.chosen = new Set([id]);
    this.fill();
    this.throwing.plan([id]);
  }
  origin(one) {
    const from = one.from.map((given) => link(given.name, () => this.show(given.id)));
    return h(
      "p",
      {},
      `${one.made}, `,
      toRun(one.run, one.run_name),
      from.length ? ", from " : ".",
      from.map((press, n) => (n ? [", ", press] : press)),
    );
  }
  naming(one) {
    return renaming(
      () => one.name,
      (name) => post("/things/name", { id: one.id, name }),
      () => this.reload(),
    );
  }
  again(one, words) {
    const press = async ({ currentTarget }) => {
      currentTarget.disabled = true;
      const found = await tell("/things/again", { id: one.id });
      if (found) say(`${many(found.runs.length, "run")} asked for. They are under Runs.`, "note");
      currentTarget.disabled = false;
      await this.reload();
    };
    return button(words, press, "strong");
  }
}

const toRun = (show, name) => h("a", { class: "ss-link", href: place({ tab: "runs", show }) }, name);

const facts = (one) =>
  h(
    "dl",
    { class: "ss-facts" },
    [
      ["Kind", one.kind],
      one.images === null ? [] : ["Images", String(one.images)],
      ["On disk", sized(one.bytes)],
      ["Made", time(one.created)],
    ].map(([name, value]) => name && h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );

const readers = ({ used_by: some, used_count: count }) => [
  some.length
    ? h(
        "ul",
        { class: "ss-prompts" },
        some.map((run) => h("li", {}, `${run.words}: `, toRun(run.run, run.name))),
      )
    : h("p", { class: "ss-muted" }, "Nothing yet."),
  count > some.length && h("p", { class: "ss-muted" }, `and ${count - some.length} more`),
];

customElements.define("studio-library", Library);
