// The picture and the facts of one point, beside it.
import { h, render } from "../shared/dom.js";
import { PLACED, TWIN } from "./points.js";

const BESIDE = 14; // pixels between a point and its card
const WORDS = { keep: "accepted", relabel: "accepted", reject: "rejected" };

export class Card {
  constructor(review) {
    this.review = review;
    this.element = h("div", { class: "ss-map-card", hidden: true, role: "status" });
  }

  hide() {
    this.element.hidden = true;
  }

  /** Show the point at a place of the view; `isHole` says more of it. Returns where it lies, if it has a place. */
  show({ points, camera }, place, isHole) {
    this.place = place;
    this.element.hidden = !(points?.mark[place] & PLACED);
    if (this.element.hidden) return null;
    const [x, y] = camera.pixel(points.x[place] / 65536, points.y[place] / 65536);
    const along = (at, whole) => (at > whole / 2 ? [at - BESIDE, -100] : [at + BESIDE, 0]);
    const [[left, across], [top, down]] = [along(x, camera.width), along(y, camera.height)];
    this.element.style.transform = `translate(${left}px, ${top}px) translate(${across}%, ${down}%)`;
    this.#fill(place, points.mark[place] & TWIN, isHole);
    return [x, y];
  }

  async #fill(place, isTwin, isHole) {
    const { api, store } = this.review;
    const row = await store.rowWhenThere(place);
    if (!row || this.place !== place) return;
    const shown = store.shown(row);
    const facts = [
      shown.moved ? `→ ${shown.label}` : shown.label,
      `${row.origin}, ${WORDS[shown.verdict] ?? "pending"}`,
      typeof row.score === "number" && `score ${row.score.toPrecision(3)}`,
      isTwin && "shows a photo again",
      isHole && "no made image is near",
    ].filter(Boolean);
    render(this.element, [row.digest, facts], () => [
      h("img", { src: api.thumb(row.digest, 160), alt: "" }),
      facts.map((fact) => h("span", {}, fact)),
    ]);
  }
}
