// Measured sets: beside each other in Evaluate, and one line of measures wherever a set stands. What a measure is called,
// which way is better and how it is written comes from the server. Names come from strangers: only text.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el, many, place, query, Part } = window.studio;

    // One answer for all places; asked anew only when there may be another one.
    let kept = null,
      version = "";
    const now = (state) =>
      [
        state.lists,
        state.queued,
        ...state.running.filter((run) => run.kind === "measure.images").map((run) => run.run),
      ].join();
    const measured = (state) => {
      if (!kept || version !== now(state)) {
        version = now(state);
        kept = fetch(`${BASE}/measures`).then((answer) => {
          if (!answer.ok) throw new Error(answer.status);
          return answer.json();
        });
        kept.catch(() => {
          kept = null;
        });
      }
      return kept;
    };
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
    const interval = (words) => (words ? el("span", { class: "ss-interval" }, words) : null);

    // Once what stands above has been drawn, or the place that was scrolled to would move away.
    const settled = (then, until = Date.now() + 15000) => {
      const above = document.querySelector("studio-evaluate");
      if ((above?.loaded && !above.busy) || Date.now() > until) then();
      else setTimeout(() => settled(then, until), 120);
    };

    class Measures extends Part {
      build() {
        this.card = el("section", {
          class: "ss-card ss-scroll",
          "data-part": "measures",
          "aria-label": "measured sets",
          tabindex: 0,
          hidden: true,
        });
        this.append(this.card);
      }
      async draw(state) {
        if (this.offsetParent === null || this.busy || this.drawn === now(state)) return;
        this.busy = true;
        try {
          const found = await measured(state);
          this.drawn = now(state);
          this.fill(found);
        } catch {
          /* the bar says that the server is away */
        } finally {
          this.busy = false;
        }
      }
      fill(found) {
        this.card.hidden = !found.groups.length && !found.problems.length;
        if (this.card.hidden) return;
        const head = found.measures.map((one) => el("th", { class: "n", title: one.help, scope: "col" }, one.heading)),
          wide = found.measures.length + 1;
        this.card.replaceChildren(
          el("h3", {}, "Measured sets"),
          el(
            "p",
            { class: "ss-muted" },
            "Against real photos that nothing was made from, in the eyes of one encoder. Sets below one heading " +
              `can be compared with each other, and with no others. ${found.note} 95 % intervals below each ` +
              "number; hold the pointer over a column’s name to read what it asks.",
          ),
          ...found.problems.map((sentence) => el("div", { class: "ss-badline", role: "alert" }, sentence)),
          el(
            "table",
            { class: "ss-table" },
            el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Set"), ...head)),
            ...found.groups.map((group) => this.group(group, found.measures, wide)),
          ),
        );
        this.point();
      }
      group(group, measures, wide) {
        const alone =
          group.rows.length === 1
            ? "Nothing else was measured in this way."
            : `${many(group.rows.length, "set")}, comparable with each other.`;
        return el(
          "tbody",
          { "data-against": group.references },
          el(
            "tr",
            { class: "ss-against" },
            el(
              "th",
              { colspan: wide, scope: "rowgroup" },
              el("span", {}, group.heading),
              el("span", { class: "ss-interval" }, `${group.apart} ${alone}`.trim()),
            ),
          ),
          ...group.rows.map((row) =>
            el(
              "tr",
              { "data-run": row.run, "data-set": row.images },
              el("th", { scope: "row" }, row.images_name, interval(many(row.n[0], "image"))),
              ...measures.map((one) => this.number(row.said[one.name])),
            ),
          ),
        );
      }
      number(said) {
        return said
          ? el("td", { class: "n" }, said.value, interval(said.interval), interval(said.beside))
          : el("td", { class: "n" }, "");
      }
      // The set that the address asks for, once.
      point() {
        const wanted = query(),
          set = wanted.get("measured"),
          rows = [...this.card.querySelectorAll("tr[data-set]")].filter((row) => row.dataset.set === set);
        for (const row of rows) row.classList.add("ss-pointed");
        if (!rows.length) return;
        wanted.delete("measured");
        history.replaceState(null, "", `${location.pathname}?${wanted}`);
        settled(() => rows[0].querySelector("th").scrollIntoView({ behavior: "smooth", block: "center" }));
      }
    }

    // The measures of one set, `set`, called `name`: a line; with `full` also their intervals. Where there are none, where
    // to get them.
    class Beside extends Part {
      build() {
        this.classList.add("ss-measured");
      }
      show(set) {
        if (this.getAttribute("set") !== set) {
          this.setAttribute("set", set);
          this.drawn = "";
          window.studio.poke();
        }
      }
      async draw(state) {
        const set = this.getAttribute("set");
        if (this.offsetParent === null || this.drawn === set + now(state)) return;
        try {
          const found = await measured(state);
          if (set === this.getAttribute("set")) {
            this.drawn = set + now(state);
            this.replaceChildren(...(set ? this.said(set, found) : []));
          }
        } catch {
          /* the bar says that the server is away */
        }
      }
      said(set, found) {
        const groups = found.groups.filter((group) => group.rows.some((row) => row.images === set));
        const full = this.hasAttribute("full"),
          name = this.getAttribute("name");
        const link = (words, go) =>
          el(
            "a",
            {
              class: "ss-link",
              "aria-label": name ? `${words}: ${name}` : null,
              href: place({ tab: "evaluate", ...go }),
              onclick: (event) => event.stopPropagation(),
            },
            words,
          );
        if (found.working.includes(set)) return [el("span", { class: "ss-muted" }, "Being measured…")];
        if (!groups.length)
          return [
            full ? el("span", { class: "ss-muted ss-unmeasured" }, "Not measured yet.") : null,
            link("Measure", { measure: set }),
          ].filter(Boolean);
        const group = groups[0],
          row = group.rows.find((one) => one.images === set);
        return [
          ...found.measures
            .filter((one) => one.brief && row.said[one.name])
            .map((one) => {
              const said = row.said[one.name];
              return el(
                "span",
                { title: asks(one, said, group) },
                `${one.title} `,
                el("b", {}, said.value),
                full ? interval([said.interval, said.beside].filter(Boolean).join("; ")) : null,
              );
            }),
          this.against(
            group,
            full || found.groups.length > 1,
            link(groups.length > 1 ? `Compare (measured in ${groups.length} ways)` : "Compare", { measured: set }),
          ),
        ];
      }
      // Where all sets were measured alike, their numbers can be compared as they stand.
      against(group, said, link) {
        return said ? el("span", { class: "ss-muted" }, `${group.heading}. `, link) : link;
      }
    }

    // An address that names a set to measure opens the form, which begins with it (`begun` on the server), once.
    const lead = () => {
      const until = Date.now() + 15000;
      const look = () => {
        const fold = document.querySelector("#ss-measure-fold > button.label-wrap"),
          ready = document.documentElement.classList.contains("ss-ready");
        if (!ready || !fold?.offsetParent) {
          if (Date.now() < until) setTimeout(look, 120);
          return;
        }
        if (!fold.classList.contains("open")) fold.click();
        settled(() => window.studio.flash("#ss-measure-fold"));
      };
      look();
    };
    customElements.define("studio-measures", Measures);
    customElements.define("studio-measured", Beside);
    if (query().get("measure") && query().get("tab") === "evaluate") lead();
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
