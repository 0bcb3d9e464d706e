// Library: every set, adapter, classifier, report and export with its name and its room on the disk; what can be done
// with each; and throwing some away. What is open is kept in the address (?thing=). Names come from strangers: only text.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el, text, send, say, many, Part, query } = window.studio;
    const get = async (path) => {
      const answer = await fetch(BASE + path);
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    };
    const room = (bytes) =>
      bytes >= 1e9
        ? `${(bytes / 1e9).toFixed(1)} GB`
        : bytes >= 1e5
          ? `${(bytes / 1e6).toFixed(1)} MB`
          : bytes
            ? `${Math.ceil(bytes / 1e3)} kB`
            : "–";
    const when = (seconds) => el("studio-time", { at: new Date(1000 * seconds).toISOString() });
    const STATES = { freed: "thrown away", partly: "partly thrown away", working: "working" };
    const AGAIN = {
      same: ["ok", "can be made again"],
      alike: ["warn", "can be made again, perhaps not the very same"],
      no: ["block", "cannot be made again"],
    };
    // A place in the page with its form filled; whatever else the address says stays, such as the project.
    const place = (go) => {
      const wanted = query();
      for (const name of [
        "thing",
        "from",
        "show",
        "run",
        "report",
        "only",
        "selection",
        "adapter",
        "images",
        "real",
        "synthetic",
        "recipe",
        "measure",
        "measured",
      ])
        wanted.delete(name);
      for (const [name, value] of Object.entries(go)) wanted.set(name, value);
      return `/?${wanted}`;
    };
    const remember = (thing) => {
      const wanted = query();
      if (thing) wanted.set("thing", thing);
      else wanted.delete("thing");
      history.replaceState(null, "", `${location.pathname}?${wanted}`);
    };
    const ask = (path, body) =>
      send(path, body).catch(() => ({
        ok: false,
        found: { detail: "The server cannot be reached. It was not done." },
      }));

    class Library extends Part {
      build() {
        this.chosen = new Set();
        this.rows = new Map();
        this.known = [];
        this.nothing = el(
          "div",
          { class: "ss-empty", hidden: true },
          "Nothing is here yet. Bring photos in under Data, or start a recipe; every set, adapter, classifier " +
            "and report of this project appears here.",
        );
        this.kinds = el("select", { class: "ss-select", id: "ss-library-kind", onchange: () => this.fill() });
        this.words = el("input", {
          class: "ss-input",
          id: "ss-library-words",
          type: "search",
          maxlength: 120,
          placeholder: "part of a name",
          oninput: () => this.fill(),
        });
        this.sum = el("p", { class: "ss-muted ss-number", role: "status" });
        this.all = el("input", {
          type: "checkbox",
          "aria-label": "choose all that are listed",
          onchange: () => {
            for (const one of this.listed()) this.pick(one.id, this.all.checked);
            this.fill();
          },
        });
        this.body = el("tbody");
        this.table = el(
          "table",
          { class: "ss-table ss-list" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              el("th", {}, this.all),
              el("th", {}, "Name"),
              el("th", {}, "Kind"),
              el("th", { class: "n ss-wide" }, "Images"),
              el("th", { class: "n" }, "On disk"),
              el("th", { class: "ss-wide" }, "Made"),
            ),
          ),
          this.body,
        );
        this.away = el(
          "button",
          { type: "button", class: "ss-button", id: "ss-library-free", disabled: true, onclick: () => this.plan() },
          "Throw away…",
        );
        this.bar = el(
          "div",
          { class: "ss-fields" },
          this.field("Kind", this.kinds),
          this.field("Name", this.words),
          this.away,
        );
        this.side = el("div", { class: "ss-card", hidden: true, "aria-live": "polite" });
        this.form = el(
          "div",
          {},
          this.bar,
          this.sum,
          el("div", { class: "ss-split" }, el("div", { class: "ss-scroll" }, this.table), this.side),
        );
        this.append(this.nothing, this.form);
      }
      field(words, control) {
        return el("div", { class: "ss-field" }, el("label", { for: control.id }, words), control);
      }
      async draw() {
        if (this.offsetParent === null || this.busy || Date.now() - (this.loaded || 0) < 2500) return;
        await this.load();
      }
      async load() {
        this.busy = true;
        this.loaded = Date.now();
        try {
          const found = await get("/things"),
            key = JSON.stringify(found);
          if (key !== this.key) {
            this.key = key;
            this.take(found);
          }
        } catch {
          /* the bar says that the server is away */
        } finally {
          this.busy = false;
        }
      }
      take(found) {
        this.known = found.things;
        const ids = new Set(found.things.map((one) => one.id)),
          role = this.kinds.value;
        for (const id of this.chosen) if (!ids.has(id)) this.chosen.delete(id);
        this.kinds.replaceChildren(
          el("option", { value: "" }, "Everything"),
          ...found.kinds.map((one) => el("option", { value: one.role }, one.words)),
        );
        if (found.kinds.some((one) => one.role === role)) this.kinds.value = role;
        this.nothing.hidden = found.things.length > 0;
        this.form.hidden = !found.things.length;
        this.fill();
        const wanted = query().get("thing");
        if (!this.planning && !this.side.querySelector("form"))
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
        this.body.replaceChildren(...shown.map((one) => this.row(one, opened)));
        if (!shown.length)
          this.body.append(el("tr", {}, el("td", { colspan: 6, class: "ss-muted" }, "Nothing of this kind and name.")));
        this.all.checked = shown.length > 0 && shown.every((one) => this.chosen.has(one.id));
        text(this.sum, `${many(shown.length, "thing")} listed. Images that several sets share count in each of them.`);
        this.choose();
      }
      row(one, opened) {
        const pick = el("input", {
          type: "checkbox",
          "aria-label": `choose ${one.name}`,
          onchange: () => {
            this.pick(one.id, pick.checked);
            this.choose();
          },
        });
        pick.checked = this.chosen.has(one.id);
        const open = el("button", { type: "button", class: "ss-link", title: one.name }, one.name);
        const tr = el(
          "tr",
          { "data-thing": one.id, "aria-selected": String(one.id === opened) },
          el("td", {}, pick),
          el(
            "td",
            { class: "ss-library-name" },
            open,
            STATES[one.state]
              ? el(
                  "span",
                  { class: "ss-state", "data-state": one.state === "working" ? "running" : "" },
                  STATES[one.state],
                )
              : null,
            one.role === "set" ? el("studio-measured", { set: one.id, name: one.name }) : null,
          ),
          el("td", {}, one.kind),
          el("td", { class: "n ss-wide" }, one.images === null ? "" : String(one.images)),
          el("td", { class: "n" }, room(one.bytes)),
          el("td", { class: "ss-wide ss-asked" }, when(one.created)),
        );
        tr.addEventListener("click", (event) => {
          if (event.target !== pick) this.show(one.id);
        });
        return tr;
      }
      pick(id, on) {
        if (on) this.chosen.add(id);
        else this.chosen.delete(id);
      }
      choose() {
        this.away.disabled = !this.chosen.size;
        text(this.away, this.chosen.size ? `Throw away ${this.chosen.size}…` : "Throw away…");
      }
      async show(id) {
        this.planning = false;
        remember(id);
        for (const row of this.body.children) row.setAttribute("aria-selected", String(row.dataset.thing === id));
        await this.open(id);
        if (innerWidth <= 760) this.side.scrollIntoView({ behavior: "smooth", block: "start" });
      }
      async open(id) {
        try {
          this.detail(await get(`/things/one?id=${encodeURIComponent(id)}`));
        } catch {
          say("This is not here any more.");
        }
      }
      detail(one) {
        const facts = el("dl", { class: "ss-facts" }),
          gone = ["freed", "partly"].includes(one.state);
        const fact = (name, ...value) => facts.append(el("div", {}, el("dt", {}, name), el("dd", {}, ...value)));
        fact("Kind", one.kind);
        if (one.images !== null) fact("Images", String(one.images));
        fact("On disk", room(one.bytes));
        fact("Made", when(one.created));
        const from = one.from.map((given) =>
          el("button", { type: "button", class: "ss-link", onclick: () => this.show(given.id) }, given.name),
        );
        this.side.hidden = false;
        this.side.replaceChildren(
          ...[
            el(
              "div",
              { class: "ss-live-head" },
              el("div", {}, el("h2", { class: "ss-path" }, one.name), this.naming(one)),
              STATES[one.state] ? el("span", { class: "ss-state" }, STATES[one.state]) : null,
            ),
            gone
              ? el(
                  "div",
                  { class: "ss-warnline" },
                  "Its images or weights were thrown away to free space. Its log, its numbers and what you " +
                    "decided are kept. Make it again here, or ask for anything that needs it.",
                )
              : null,
            facts,
            ...(one.role === "set"
              ? [el("h3", {}, "Measures"), el("studio-measured", { set: one.id, full: true })]
              : []),
            el("h3", {}, "What can I do with this?"),
            el(
              "span",
              { class: "ss-buttons" },
              gone ? this.again(one) : null,
              one.role === "run" && one.state === "here" ? this.again(one, "Resume") : null,
              ...one.actions.map((act) => el("a", { class: "ss-button", href: place(act.go) }, act.words)),
              one.role === "report" || one.state === "freed"
                ? null
                : el(
                    "button",
                    {
                      type: "button",
                      class: "ss-button",
                      onclick: () => {
                        this.chosen = new Set([one.id]);
                        this.fill();
                        this.plan();
                      },
                    },
                    "Throw away…",
                  ),
            ),
            el("h3", {}, "Where it came from"),
            el(
              "p",
              {},
              `${one.made}, `,
              el("a", { class: "ss-link", href: place({ tab: "runs", show: one.run }) }, one.run_name),
              from.length ? ", from " : ".",
              ...from.flatMap((link, n) => (n ? [", ", link] : [link])),
            ),
            el("h3", {}, "What has read it"),
            one.used_by.length
              ? el(
                  "ul",
                  { class: "ss-prompts" },
                  ...one.used_by.map((run) =>
                    el(
                      "li",
                      {},
                      `${run.words}: `,
                      el("a", { class: "ss-link", href: place({ tab: "runs", show: run.run }) }, run.name),
                    ),
                  ),
                )
              : el("p", { class: "ss-muted" }, "Nothing yet."),
            one.used_count > one.used_by.length
              ? el("p", { class: "ss-muted" }, `and ${one.used_count - one.used_by.length} more`)
              : null,
          ].filter(Boolean),
        );
      }
      naming(one) {
        const press = el("button", { type: "button", class: "ss-link" }, "rename");
        press.addEventListener("click", () => {
          const box = el("input", { class: "ss-input", maxlength: 120, value: one.name, "aria-label": "new name" }),
            why = el("div", { class: "ss-fielderror", role: "alert" });
          const form = el(
            "form",
            { class: "ss-buttons" },
            box,
            el("button", { class: "ss-button strong" }, "Save"),
            el("button", { type: "button", class: "ss-button", onclick: () => form.replaceWith(press) }, "Cancel"),
            why,
          );
          form.addEventListener("submit", async (event) => {
            event.preventDefault();
            const { ok, found } = await ask("/things/name", { id: one.id, name: box.value });
            if (!ok) {
              text(why, found.detail);
              box.setAttribute("aria-invalid", "true");
              box.focus();
              return;
            }
            form.remove();
            this.key = "";
            await this.load();
          });
          form.addEventListener("keydown", (event) => {
            if (event.key === "Escape") form.replaceWith(press);
          });
          press.replaceWith(form);
          box.select();
        });
        return press;
      }
      again(one, words = "Make it again") {
        const button = el("button", { type: "button", class: "ss-button strong" }, words);
        button.addEventListener("click", async () => {
          button.disabled = true;
          const { ok, found } = await ask("/things/again", { id: one.id });
          if (ok) say(`${many(found.runs.length, "run")} asked for. They are under Runs.`, "note");
          else say(found.detail);
          button.disabled = false;
          this.key = "";
          await this.load();
        });
        return button;
      }

      // ---- throwing away: first what would go, then a press
      async plan() {
        const ids = [...this.chosen];
        this.away.disabled = true;
        const { ok, found } = await ask("/things/plan", { ids });
        this.choose();
        if (!ok) {
          say(found.detail);
          return;
        }
        this.planning = true;
        this.side.hidden = false;
        const lost = found.things.filter((one) => one.again === "no"),
          decided = found.things.reduce((sum, one) => sum + one.decided, 0),
          shared = found.things.reduce((sum, one) => sum + one.shared, 0);
        const sure =
            lost.length && !found.refused.length ? el("input", { type: "checkbox", id: "ss-library-sure" }) : null,
          why = el("div", { class: "ss-fielderror", role: "alert" });
        const go = found.refused.length
          ? null
          : el(
              "button",
              { type: "button", class: "ss-button strong", id: "ss-library-go", disabled: Boolean(sure) },
              `Throw away, ${found.bytes ? room(found.bytes) : "0 kB"}`,
            );
        sure?.addEventListener("change", () => {
          go.disabled = !sure.checked;
        });
        go?.addEventListener("click", async () => {
          go.disabled = true;
          const done = await ask("/things/free", { ids, digest: found.digest, for_good: Boolean(sure?.checked) });
          if (!done.ok) {
            text(why, done.found.detail);
            go.disabled = false;
            return;
          }
          say(
            `${done.found.bytes ? room(done.found.bytes) : "Nothing"} freed. Asking for a step again makes it again.`,
            "note",
          );
          this.chosen.clear();
          this.leave();
          this.key = "";
          await this.load();
        });
        this.side.replaceChildren(
          ...[
            el("h2", {}, `Throw ${many(found.things.length, "thing")} away?`),
            ...found.refused.map((sentence) => el("div", { class: "ss-badline", role: "alert" }, sentence)),
            el(
              "p",
              { class: "ss-number" },
              found.bytes
                ? `This frees ${room(found.bytes)} on the disk, ${many(found.files, "file")} that nothing else holds.`
                : "This frees nothing: everything in it is needed by something else.",
            ),
            el(
              "ul",
              { class: "ss-prompts" },
              ...found.things.map((one) =>
                el(
                  "li",
                  {},
                  el("strong", {}, one.name),
                  ` (${room(one.bytes)}) `,
                  el("span", { class: "ss-state", "data-state": AGAIN[one.again][0] }, AGAIN[one.again][1]),
                  el("div", { class: "ss-muted" }, one.why),
                ),
              ),
            ),
            shared
              ? el(
                  "p",
                  {},
                  `${many(shared, "image")} will stay, because ` +
                    `${found.kept_by.slice(0, 4).join(", ") || "something else"}` +
                    `${found.kept_by.length > 4 ? " and others need" : found.kept_by.length > 1 ? " need" : " needs"} them.`,
                )
              : null,
            found.dependants.length
              ? el(
                  "p",
                  {},
                  "Made from this, and staying: " +
                    `${found.dependants.slice(0, 6).join(", ")}${found.dependants.length > 6 ? " and more" : ""}. ` +
                    "To make one of these again, this has to be made again first.",
                )
              : null,
            el(
              "p",
              { class: "ss-muted" },
              "Logs, numbers and names " +
                `stay${decided ? `, and so does what was decided about ${many(decided, "image")}` : ""}.`,
            ),
            sure
              ? el(
                  "p",
                  {},
                  el(
                    "label",
                    { for: "ss-library-sure" },
                    sure,
                    ` I know that ${lost.map((one) => one.name).join(", ")} cannot be made again.`,
                  ),
                )
              : null,
            why,
            el(
              "span",
              { class: "ss-buttons" },
              go,
              el(
                "button",
                {
                  type: "button",
                  class: "ss-button",
                  onclick: () => {
                    this.leave();
                    this.key = "";
                    this.load();
                  },
                },
                go ? "Keep" : "Close",
              ),
            ),
          ].filter(Boolean),
        );
        this.side.scrollIntoView({ behavior: "smooth", block: "nearest" });
        this.side.querySelector("button")?.focus({ preventScroll: true });
      }
      leave() {
        this.planning = false;
        this.side.hidden = true;
        this.side.replaceChildren();
      }
    }
    customElements.define("studio-library", Library);
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
