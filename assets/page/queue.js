// What waits, in the order in which it will start: changed by dragging a row, by its buttons or by its arrow keys.
(() => {
  "use strict";
  const boot = () => {
    const { el, text, send, say } = window.studio;

    /** The ids with one moved to another place. */
    const moved = (ids, id, place) => {
      const rest = ids.filter((one) => one !== id);
      rest.splice(Math.max(0, Math.min(rest.length, place)), 0, id);
      return rest;
    };

    class Queue {
      constructor() {
        this.list = el("ol", { class: "ss-queue" });
        this.said = el("span", { class: "ss-muted", role: "status", "aria-live": "polite" });
        this.root = el(
          "section",
          { class: "ss-card", hidden: true, "aria-label": "queue" },
          el("h3", {}, "Waiting, in this order"),
          el("p", { class: "ss-muted" }, "Drag a row, or use its arrows. What works already goes on."),
          this.list,
          this.said,
        );
        this.rows = new Map();
        this.ids = [];
        this.list.addEventListener("dragover", (event) => {
          if (this.held) {
            event.preventDefault();
            this.over(event.clientY);
          }
        });
        this.list.addEventListener("drop", (event) => {
          event.preventDefault();
          this.dropped();
        });
      }
      draw(runs) {
        if (this.held || this.saving) return;
        const waiting = runs.filter((run) => run.place).sort((a, b) => a.place - b.place);
        this.root.hidden = waiting.length < 2;
        this.runs = new Map(waiting.map((run) => [run.run, run]));
        this.show(waiting.map((run) => run.run));
      }
      name(id) {
        const run = this.runs.get(id);
        return run.named ? run.name : run.kind_words;
      }
      show(ids) {
        this.ids = ids;
        for (const [id, row] of this.rows)
          if (!ids.includes(id)) {
            row.remove();
            this.rows.delete(id);
          }
        ids.forEach((id, place) => {
          if (!this.rows.has(id)) this.rows.set(id, this.row(id));
          const row = this.rows.get(id),
            name = this.name(id);
          text(row.words, name);
          text(row.about, this.runs.get(id).named ? this.runs.get(id).kind_words : this.runs.get(id).name);
          row.up.disabled = place === 0;
          row.down.disabled = place === ids.length - 1;
          row.up.setAttribute("aria-label", `${name}, place ${place + 1}: start earlier`);
          row.down.setAttribute("aria-label", `${name}, place ${place + 1}: start later`);
          if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] || null);
        });
      }
      row(id) {
        const words = el("span"),
          about = el("span", { class: "ss-muted ss-run-name" }),
          arrow = (sign, by) =>
            el("button", { type: "button", class: "ss-button", onclick: () => this.step(id, by, sign) }, sign);
        const row = el(
          "li",
          { draggable: "true", "data-run": id },
          el("span", { class: "ss-grip", "aria-hidden": "true" }, "⠿"),
          el("span", { class: "ss-queue-words" }, words, about),
        );
        Object.assign(row, { words, about, up: arrow("↑", -1), down: arrow("↓", 1) });
        row.append(el("span", { class: "ss-buttons" }, row.up, row.down));
        row.addEventListener("dragstart", (event) => {
          this.held = id;
          this.before = this.ids;
          event.dataTransfer.effectAllowed = "move";
          event.dataTransfer.setData("text/plain", id);
          row.classList.add("held");
        });
        row.addEventListener("dragend", () => {
          row.classList.remove("held");
          if (this.held) {
            this.held = null;
            this.show(this.before);
          }
        });
        row.addEventListener("keydown", (event) => {
          const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
          if (by) {
            event.preventDefault();
            this.step(id, by, by < 0 ? "↑" : "↓");
          }
        });
        return row;
      }
      over(y) {
        const below = this.ids.filter(
          (id) =>
            id !== this.held && y > this.rows.get(id).getBoundingClientRect().top + this.rows.get(id).offsetHeight / 2,
        );
        const wanted = moved(this.ids, this.held, below.length);
        if (wanted.join() !== this.ids.join()) this.show(wanted);
      }
      dropped() {
        const id = this.held;
        this.held = null;
        if (this.ids.join() !== this.before.join()) this.save(id);
      }
      async step(id, by, sign) {
        const place = this.ids.indexOf(id) + by;
        if (place < 0 || place >= this.ids.length || this.saving) return;
        this.show(moved(this.ids, id, place));
        const row = this.rows.get(id),
          wanted = sign === "↑" ? row.up : row.down;
        (wanted.disabled ? (sign === "↑" ? row.down : row.up) : wanted).focus(); // moving a row in the page loses the focus
        await this.save(id);
      }
      async save(id) {
        this.saving = true;
        try {
          const { ok, found } = await send("/queue", { runs: this.ids });
          if (!ok) {
            say(found.detail);
            return;
          }
          this.show(found.runs.filter((one) => this.runs.has(one)));
          text(this.said, `${this.name(id)} is number ${this.ids.indexOf(id) + 1} of ${this.ids.length} now.`);
        } catch {
          say("The server cannot be reached. The order is as it was.");
        } finally {
          this.saving = false;
        }
      }
    }
    Object.assign(window.studio, { Queue, moved });
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
