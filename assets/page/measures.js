// Measured sets beside each other: what the numbers mean, which way is better, and each with its interval.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el, Part } = window.studio;
    // What is asked, the unit, and what a good set of images would show.
    const MEASURES = [
      ["teaches", "Teaches", "How many of the real photos a linear probe names that has learnt from these images alone. Higher is better.", "share"],
      ["kernel_distance", "Distance", "Kernel distance between the two sets as the eye sees them. 0: drawn from the same; lower is better.", "number"],
      ["precision", "Precision", "Images that look like real photos. Higher is better.", "share"],
      ["recall", "Recall", "Real photos that the images reach. Higher is better.", "share"],
      ["density", "Density", "How crowded the images are where real photos are. About 1 is like real photos.", "number"],
      ["coverage", "Coverage", "Real photos with an image near them. Higher is better.", "share"],
      ["vendi", "Diversity", "Vendi score: as many different images as this. Compare it with that of the real photos.", "number", "vendi_real"],
      ["new", "New", "Images farther from every photo than photos are from each other. Compare it with what new photos would reach; far below, there are copies.", "share", "new_expected"],
      ["told_apart", "Told apart", "How often a probe tells images from photos. 50 % is chance; lower is better.", "share"],
    ];
    const FORMS = { share: (value) => `${(100 * value).toFixed(0)} %`, number: (value) => Number(value.toPrecision(3)).toString() };

    class Measures extends Part {
      build() {
        this.card = el("section", { class: "ss-card ss-scroll", "data-part": "measures", "aria-label": "measured sets", tabindex: 0, hidden: true });
        this.append(this.card);
      }
      async draw(state) {
        if (this.offsetParent === null || this.busy || (this.version === state?.lists && this.version)) return;
        this.busy = true;
        try {
          const answer = await fetch(`${BASE}/measures`);
          if (answer.ok) { this.fill(await answer.json()); this.version = state?.lists; }
        } catch { /* the bar says that the server is away */ } finally { this.busy = false; }
      }
      fill(rows) {
        this.card.hidden = !rows.length;
        if (!rows.length) return;
        const head = MEASURES.map(([, words, help]) => el("th", { class: "n", title: help, scope: "col" }, words));
        this.card.replaceChildren(
          el("h3", {}, "Measured sets"),
          el("p", { class: "ss-muted" }, "Against real photos that nothing was made from, in the eyes of one encoder; only rows with the same photos and eye can be compared. 95 % intervals below each number. Hold the pointer over a column’s name to read what it asks."),
          el("table", { class: "ss-table" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Set"), el("th", { scope: "col" }, "Real photos"), el("th", { scope: "col" }, "Eye"), ...head)), el("tbody", {}, ...rows.map((row) => this.row(row)))));
      }
      row(row) {
        return el("tr", { "data-run": row.run }, el("th", { scope: "row" }, row.images_name, el("span", { class: "ss-interval" }, `${row.n[0].toLocaleString()} images`)),
          el("td", {}, row.references_name, el("span", { class: "ss-interval" }, `${row.n[1].toLocaleString()} photos`)), el("td", {}, row.eye),
          ...MEASURES.map(([name, , , form, beside]) => this.number(row.all[name], FORMS[form], beside && row.all[beside])));
      }
      number(found, form, beside) {
        if (!found || found.value === null) return el("td", { class: "n" }, "");
        const below = beside ? `of real: ${form(beside.value)}` : found.low === null ? "" : `${form(found.low)} to ${form(found.high)}`;
        return el("td", { class: "n" }, form(found.value), el("span", { class: "ss-interval" }, below));
      }
    }
    customElements.define("studio-measures", Measures);
  };
  if (window.studio) boot(); else addEventListener("DOMContentLoaded", boot, { once: true });
})();
