// Why images were rejected: what rejects share, one press for all that was made so, and sampling again without it.
import { h, render } from "../shared/dom.js";
import { many, number } from "../shared/format.js";
import { say } from "../shared/say.js";
import { atMostOften } from "./pace.js";

const LEAST = 1000; // ms

export class Causes {
  found = { causes: [], branches: [] };

  constructor(review) {
    this.review = review;
    this.element = h("section", { class: "ss-causes", "aria-label": "Why images were rejected", hidden: true });
    this.look = atMostOften(() => this.#ask(), LEAST);
  }

  /** How many causes there are to act on, in words; nothing where there are none. */
  get words() {
    const open = this.found.causes.filter((one) => one.pending).length;
    return open ? many(open, "cause of rejects", "causes of rejects") : "";
  }

  async #ask() {
    const { api, status, store } = this.review;
    const asked = store.asked;
    if (!asked) return;
    const found = await api.ask("causes", { q: asked });
    if (asked !== store.asked) return;
    this.show(found);
    status.draw();
  }

  show(found) {
    this.found = found;
    this.element.hidden = !(found.causes.length || found.branches.length);
    render(this.element, found, ({ causes, branches }) => [
      causes.length ? h("h4", {}, "What rejects share") : null,
      causes.map((one) => this.#cause(one)),
      branches.length ? h("h4", {}, "Rejected as a whole") : null,
      branches.map((one) => this.#branch(one)),
    ]);
  }

  #cause(one) {
    return h(
      "article",
      { class: "ss-cause" },
      h("p", { class: "ss-sentence" }, one.sentence),
      h("p", { class: "ss-faint" }, one.counts, one.same.length ? `; the same images: ${one.same.join(", ")}` : ""),
      h(
        "div",
        { class: "ss-buttons" },
        one.pending
          ? h(
              "button",
              {
                type: "button",
                class: "ss-reject",
                title: "Reject every pending image of this view that was made so; one undo takes it back",
                onclick: () => this.review.deciding.rejectAll(one),
              },
              `✕ Reject ${number(one.pending)} pending`,
            )
          : h("span", { class: "ss-faint" }, "None of them is pending."),
        this.#without(one),
      ),
    );
  }

  #branch(one) {
    return h(
      "article",
      { class: "ss-cause" },
      h("p", {}, `${one.says}: ${many(one.standing, "image")}`),
      h(
        "div",
        { class: "ss-buttons" },
        h("button", { type: "button", onclick: () => this.review.deciding.takeBack(one.act) }, "Take back"),
        this.#without(one),
      ),
    );
  }

  #without(one) {
    if (!one.fills) return null;
    const title = "Fill the Sample form: without this, as many images as were rejected";
    return h("button", { type: "button", title, onclick: () => this.#fill(one) }, "Sample again without it");
  }

  async #fill({ cause }) {
    const { api, status, store, use } = this.review;
    try {
      const { kind, fields, says } = await api.ask("without", { q: store.asked, cause: JSON.stringify(cause) });
      use({ kind, fields });
      say(`The form is filled: ${says}`, "note");
    } catch (error) {
      status.say(error.message);
    }
  }
}
