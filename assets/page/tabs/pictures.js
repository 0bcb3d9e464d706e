// Pictures in a row, as small as they were kept.
import { Rows, h } from "../shared/dom.js";
import { BASE } from "../shared/server.js";

export const thumb = (digest) => `${BASE}/thumbs/${digest}`;

/** One picture: `src` (below the project's address) or `digest`, and what is known of how it was made. */
export const picture = (one) =>
  h("img", {
    src: one.src ? BASE + one.src : thumb(one.digest),
    alt: `synthetic ${one.label}`,
    title: [one.label, one.prompt, one.seed || one.seed === 0 ? `seed ${one.seed}` : ""].filter(Boolean).join("\n"),
    loading: "lazy",
    decoding: "async",
    width: 96,
    height: 96,
    "data-digest": one.digest,
  });

/** The newest pictures; those that are shown already stay. */
export class Pictures {
  constructor() {
    this.root = h("div", { class: "ss-newest" });
    this.rows = new Rows(
      this.root,
      (one) => ({ root: picture(one) }),
      () => {},
      (one) => one.digest,
    );
  }
  draw(images) {
    this.rows.draw(images);
  }
}
