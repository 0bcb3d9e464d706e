// Holes: validation photos that no made image comes near, in a list beside the map. A press fills the Sample form.
import { h, render, text } from "../shared/dom.js";
import { many } from "../shared/format.js";

const SHOWN = 100;

export class Holes {
  /** `on.go(place)` shows the point of a photo, `on.toggled` hears that the list was opened or closed. */
  constructor(review, on) {
    Object.assign(this, { review, on, places: [] });
    this.button = h("button", {
      type: "button",
      hidden: true,
      "aria-expanded": "false",
      onclick: () => this.#toggle(),
    });
    this.element = h("aside", { class: "ss-map-holes", "aria-label": "Holes", hidden: true });
  }

  /** Whether the list is shown, and with it the marks on the map. */
  get isOpen() {
    return !this.element.hidden;
  }

  /** Ask for the holes of a settled view. */
  async ask(q) {
    const found = await this.review.api.ask("map/holes", { q });
    this.places = found.holes.map((hole) => hole.place).filter((place) => place >= 0);
    this.button.hidden = !found.count;
    this.element.hidden ||= !found.count;
    text(this.button, many(found.count, "hole"));
    this.button.title = "Validation photos without a made image near them";
    render(this.element, found, () => [
      h("p", { class: "ss-faint" }, "Photos to validate with that no made image of their class comes near. A press on a class",
        " fills the Sample form with it: images are made from your shots, never from these photos."), // prettier-ignore
      found.holes.slice(0, SHOWN).map((hole) => this.#row(hole)),
      found.count > SHOWN && h("p", { class: "ss-faint" }, `and ${found.count - SHOWN} more`),
    ]);
  }

  #row({ place, digest, label, far }) {
    const { api, use } = this.review;
    const words = far === null ? "nothing was made" : `${far.toFixed(1)} × as far as its neighbours`;
    return h(
      "div",
      { class: "ss-map-hole" },
      h(
        "button",
        {
          type: "button",
          title: "Show it",
          "aria-label": `Show this photo of ${label}`,
          disabled: place < 0,
          onclick: () => this.on.go(place),
        },
        h("img", { src: api.thumb(digest, 96), alt: "", loading: "lazy" }),
      ),
      h(
        "div",
        {},
        h("button", { type: "button", onclick: () => use({ label }) }, `Make ${label}`),
        h("span", { class: "ss-faint" }, words),
      ),
    );
  }

  #toggle() {
    this.element.hidden = !this.element.hidden;
    this.button.setAttribute("aria-expanded", String(this.isOpen));
    this.on.toggled();
  }
}
