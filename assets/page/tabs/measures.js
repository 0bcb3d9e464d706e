// Measured sets: beside each other in Evaluate, and one line of measures wherever a set stands. What a measure is called,
// which way is better and how it is written comes from the server. Names come from strangers: only text.
import { flash, keep, place, query } from "../shared/address.js";
import { fill, h, inSight, td } from "../shared/dom.js";
import { many } from "../shared/format.js";
import { get } from "../shared/server.js";
import { Asking, poke } from "../shared/state.js";

// One answer for all places; asked anew only when there may be another one.
let kept = null,
  version = "";
const versionOf = (state) =>
  [
    state.lists,
    state.queued,
    ...state.running.filter((run) => run.kind === "measure.images").map((run) => run.run),
  ].join();

function measured(state) {
  if (kept && version === versionOf(state)) return kept;
  version = versionOf(state);
  kept = get("/measures");
  kept.catch(() => {
    kept = null;
  });
  return kept;
}

const asks = (measure, said, group) =>
  [
    `${measure.title} ${said.value}`,
    said.interval && `95 % interval: ${said.interval}`,
    said.beside,
    measure.help,
    `${group.heading}.`,
  ]
    .filter(Boolean)
    .join("\n");
const interval = (words) => words && h("span", { class: "ss-interval" }, words);

// Once what stands above has been drawn, or the place that was scrolled to would move away.
function settled(then, until = Date.now() + 15000) {
  const above = document.querySelector("studio-evaluate");
  if ((above?.asked && !above.asking) || Date.now() > until) then();
  else setTimeout(() => settled(then, until), 120);
}

class Measures extends Asking {
  build() {
    this.card = h("section", {
      class: "ss-card ss-scroll",
      "data-part": "measures",
      "aria-label": "measured sets",
      tabindex: 0,
      hidden: true,
    });
    this.append(this.card);
  }
  async look(state) {
    if (this.drawn === versionOf(state)) return;
    const found = await measured(state);
    this.drawn = versionOf(state);
    this.card.hidden = !found.groups.length && !found.problems.length;
    if (!this.card.hidden) this.fill(found);
  }
  fill(found) {
    const head = found.measures.map((one) => h("th", { class: "n", title: one.help, scope: "col" }, one.heading));
    fill(
      this.card,
      h("h3", {}, "Measured sets"),
      h(
        "p",
        { class: "ss-muted" },
        "Against real photos that nothing was made from, in the eyes of one encoder. Sets below one heading " +
          `can be compared with each other, and with no others. ${found.note} 95 % intervals below each ` +
          "number; hold the pointer over a column’s name to read what it asks.",
      ),
      found.problems.map((sentence) => h("div", { class: "ss-badline", role: "alert" }, sentence)),
      h(
        "table",
        { class: "ss-table" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Set"), head)),
        found.groups.map((group) => this.group(group, found.measures)),
      ),
    );
    this.point();
  }
  group(group, measures) {
    const alone =
      group.rows.length === 1
        ? "Nothing else was measured in this way."
        : `${many(group.rows.length, "set")}, comparable with each other.`;
    return h(
      "tbody",
      { "data-against": group.references },
      h(
        "tr",
        { class: "ss-against" },
        h(
          "th",
          { colspan: measures.length + 1, scope: "rowgroup" },
          h("span", {}, group.heading),
          interval(`${group.apart} ${alone}`.trim()),
        ),
      ),
      group.rows.map((row) =>
        h(
          "tr",
          { "data-run": row.run, "data-set": row.images },
          h("th", { scope: "row" }, row.images_name, interval(many(row.n[0], "image"))),
          measures.map((one) => this.number(row.said[one.name])),
        ),
      ),
    );
  }
  number(said) {
    return said ? td("n", said.value, interval(said.interval), interval(said.beside)) : td("n");
  }
  // The set that the address asks for, once.
  point() {
    const set = query().get("measured"),
      rows = [...this.card.querySelectorAll("tr[data-set]")].filter((row) => row.dataset.set === set);
    for (const row of rows) row.classList.add("ss-pointed");
    if (!rows.length) return;
    keep({ measured: null });
    settled(() => rows[0].querySelector("th").scrollIntoView({ behavior: "smooth", block: "center" }));
  }
}

/** The measures of one set, `set`, called `name`: a line; with `full` also their intervals. Where there are none, where
 * to get them. */
class Beside extends Asking {
  build() {
    this.classList.add("ss-measured");
  }
  show(set) {
    if (this.getAttribute("set") === set) return;
    this.setAttribute("set", set);
    poke();
  }
  async look(state) {
    const set = this.getAttribute("set"),
      looks = set + versionOf(state);
    if (this.drawn === looks) return;
    const found = await measured(state);
    if (set !== this.getAttribute("set")) return; // another one was chosen meanwhile
    this.drawn = looks;
    fill(this, set && this.said(set, found));
  }
  said(set, found) {
    const groups = found.groups.filter((group) => group.rows.some((row) => row.images === set)),
      full = this.hasAttribute("full");
    if (found.working.includes(set)) return h("span", { class: "ss-muted" }, "Being measured…");
    if (!groups.length)
      return [
        full && h("span", { class: "ss-muted ss-unmeasured" }, "Not measured yet."),
        this.link("Measure", { measure: set }),
      ];
    const group = groups[0],
      row = group.rows.find((one) => one.images === set),
      ways = groups.length > 1 ? `Compare (measured in ${groups.length} ways)` : "Compare",
      compare = this.link(ways, { measured: set });
    return [
      found.measures.filter((one) => one.brief && row.said[one.name]).map((one) => this.brief(one, row, group, full)),
      // Where all sets were measured alike, their numbers can be compared as they stand.
      full || found.groups.length > 1 ? h("span", { class: "ss-muted" }, `${group.heading}. `, compare) : compare,
    ];
  }
  brief(measure, row, group, full) {
    const said = row.said[measure.name];
    return h(
      "span",
      { title: asks(measure, said, group) },
      `${measure.title} `,
      h("b", {}, said.value),
      full && interval([said.interval, said.beside].filter(Boolean).join("; ")),
    );
  }
  link(words, open) {
    const name = this.getAttribute("name");
    return h(
      "a",
      {
        class: "ss-link",
        "aria-label": name ? `${words}: ${name}` : null,
        href: place({ tab: "evaluate", ...open }),
        onclick: (event) => event.stopPropagation(),
      },
      words,
    );
  }
}

// An address that names a set to measure opens the form, which begins with it (`begun` on the server), once.
function lead(until = Date.now() + 15000) {
  const fold = document.querySelector("#ss-measure-fold > button.label-wrap"),
    ready = document.documentElement.classList.contains("ss-ready");
  if (!ready || !fold || !inSight(fold)) {
    if (Date.now() < until) setTimeout(() => lead(until), 120);
    return;
  }
  if (!fold.classList.contains("open")) fold.click();
  settled(() => flash("#ss-measure-fold"));
}

customElements.define("studio-measures", Measures);
customElements.define("studio-measured", Beside);
if (query().get("measure") && query().get("tab") === "evaluate") lead();
