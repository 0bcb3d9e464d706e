// Grid or map: two ways to look at one view, with one selection. The map is fetched when somebody first wants it.
import { h } from "../shared/dom.js";

export class Layout {
  constructor(review) {
    this.review = review;
    this.map = null;
    const choice = (words, isMap) =>
      h("button", { type: "button", "aria-pressed": String(!isMap), onclick: () => this.show(isMap, true) }, words);
    this.element = h(
      "div",
      { class: "ss-segments", role: "group", "aria-label": "Show as" },
      choice("Grid", false),
      choice("Map", true),
    );
    this.place = h("div", { class: "ss-map-place", hidden: true });
  }

  get isMap() {
    return !this.place.hidden;
  }

  /** Show the map, or the grid; `asked`: somebody wants it now, so that a map is made if there is none. */
  async show(isMap, asked = false) {
    this.place.hidden = !isMap;
    this.review.grid.element.hidden = isMap;
    [...this.element.children].forEach((button, at) =>
      button.setAttribute("aria-pressed", String(Boolean(at) === isMap)),
    );
    if (asked) this.review.keep();
    dispatchEvent(new Event("resize")); // a map needs more room on a phone
    if (!isMap) return this.review.grid.draw();
    if (!this.map) {
      const { ImageMap } = await import("./map.js");
      this.map ??= new ImageMap(this.review);
      this.place.replaceChildren(this.map.element);
    }
    return this.map.open(asked);
  }

  draw() {
    if (this.isMap) this.map?.draw();
  }
}
