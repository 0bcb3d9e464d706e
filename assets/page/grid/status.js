// The bar below the grid: decide, see that it is saved, undo, and what is selected.
import { h } from "../shared/dom.js";
import { number } from "../shared/format.js";

const SIZES = [96, 128, 176, 256];

export class StatusBar {
  constructor(review) {
    this.review = review;
    const button = (text, title, work, kind = "") =>
      h(
        "button",
        {
          type: "button",
          title,
          class: kind,
          onclick: () => {
            work();
            this.#giveBack();
          },
        },
        text,
      );
    this.saved = h("span", { class: "ss-saved", role: "status", "aria-live": "polite" });
    this.where = h("span", { class: "ss-where" });
    this.banked = h("span", {
      class: "ss-banked",
      hidden: true,
      title: "Of what deciding can take off the loss on validation photos, so much hangs on images that are decided",
    });
    this.picked = h("span", { class: "ss-picked", hidden: true });
    this.why = button("", "What rejects share, above the details", () => review.showCauses(), "ss-link");
    this.stale = button("Refresh", "Ask for the list again (R)", () => review.view.refresh(), "ss-stale");
    this.move = h("select", {
      "aria-label": "Move to class",
      onchange: () => {
        review.deciding.moveTo(this.move.value);
        this.move.value = "";
        this.#giveBack();
      },
    });
    this.undo = button("↶", "Undo (Ctrl Z)", () => review.deciding.undo(), "ss-icon");
    this.redo = button("↷", "Redo (Shift Ctrl Z)", () => review.deciding.redo(), "ss-icon");
    this.undo.setAttribute("aria-label", "Undo");
    this.redo.setAttribute("aria-label", "Redo");
    this.advance = h("input", { type: "checkbox", onchange: () => review.toggleAdvance() });
    this.size = h("input", {
      type: "range",
      min: 0,
      max: SIZES.length - 1,
      step: 1,
      "aria-label": "Size of the pictures",
      title: "Size of the pictures",
      oninput: () => review.resize(SIZES[Number(this.size.value)]),
    });
    this.element = h(
      "div",
      { class: "ss-status" },
      h("div", { class: "ss-line" }, this.where, this.banked, this.picked, this.why, this.stale, this.saved),
      h(
        "div",
        { class: "ss-line ss-actions" },
        button("✕ Reject", "Reject (X)", () => review.deciding.decide("reject"), "ss-reject"),
        button("Pending", "Back to pending (U)", () => review.deciding.decide("clear")),
        button("✓ Accept", "Accept (P)", () => review.deciding.decide("keep"), "ss-accept"),
        this.move,
        button("Tag…", "Free words on what is selected (T)", () => review.tag()),
        this.undo,
        this.redo,
        h("span", { class: "ss-spacer" }),
        h(
          "label",
          { class: "ss-check", title: "Go to the next image after a decision (A)" },
          this.advance,
          "Auto-advance",
        ),
        this.size,
        button("Details", "Details of the current image (I)", () => review.toggleDetails()),
        button("Freeze…", "Make a set of what you chose", () => review.freeze()),
        button("Did my review help?", "Train on what you chose, on everything kept and on as many at random", () =>
          review.helped(),
        ),
        button("?", "Keys (?)", () => review.help(), "ss-icon"),
      ),
    );
  }

  /** A sentence for a few seconds. */
  say(text) {
    this.said = text;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.said = "";
      this.draw();
    }, 5000);
    this.draw();
  }

  draw() {
    const { review } = this,
      { store, selection, queue } = review;
    if (!queue || !review.view.seen) return;
    this.where.textContent = store.total ? `${number(review.grid.current + 1)} of ${number(store.total)}` : "No images";
    this.#selection(selection, store);
    this.#bank(review.view.banked);
    this.why.hidden = !review.causes.words;
    this.why.textContent = review.causes.words;
    this.stale.hidden = !review.view.stale;
    this.stale.textContent =
      review.view.newest > review.view.seen.upto
        ? `Show ${number(review.view.newest - review.view.seen.upto)} new`
        : "Refresh";
    this.advance.checked = review.advance;
    this.size.value = Math.max(0, SIZES.indexOf(review.grid.size));
    this.undo.disabled = !queue.undoable.length;
    this.redo.disabled = !queue.redoable.length;
    this.#classes(review.classes.names);
    const [text, kind] = this.#state(queue, review.api);
    if (this.saved.textContent !== text) this.saved.textContent = text;
    this.saved.dataset.kind = kind;
  }

  #state(queue, api) {
    const waiting = number(queue.waiting.length);
    if (queue.error) return [`${waiting} not saved: ${queue.error} Trying again…`, "bad"];
    if (!api.online) return ["The server does not answer. Trying again…", "bad"];
    if (this.said) return [this.said, "note"];
    return queue.waiting.length ? [`Saving ${waiting}…`, "busy"] : ["All decisions saved", "good"];
  }

  #bank(share) {
    this.banked.hidden = typeof share !== "number";
    if (!this.banked.hidden) this.banked.textContent = `${Math.floor(100 * share)} % of the gain decided`;
  }

  #selection(selection, store) {
    const size = selection.size;
    this.picked.hidden = !size;
    if (!size || this.picked.dataset.looks === `${size} ${store.total}`) return;
    this.picked.dataset.looks = `${size} ${store.total}`;
    const link = (text, work) => h("button", { type: "button", class: "ss-link", onclick: work }, text);
    this.picked.replaceChildren(
      h("b", {}, `${number(size)} selected`),
      size < store.total ? link(`Select all ${number(store.total)}`, () => this.review.selectAll()) : "",
      link("Clear", () => this.review.escape()),
    );
  }

  #classes(names) {
    const looks = JSON.stringify(names);
    if (this.move.dataset.looks === looks) return;
    this.move.dataset.looks = looks;
    this.move.replaceChildren(
      h("option", { value: "" }, "Move to…"),
      ...names.map((name) => h("option", { value: name }, name)),
    );
  }

  /** After a click the keys are the grid's again. */
  #giveBack() {
    if (!document.querySelector("dialog[open]")) this.review.grid.element.focus({ preventScroll: true });
  }
}
