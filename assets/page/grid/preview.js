// One image, large, beside the nearest real photo. Keys go on working; on a phone, swipe right to accept, left to reject.
import { h } from "../shared/dom.js";

const SWIPE = 60;
const LEVELS = [1, 2, 4, 8, 16];
const ROUND = ["fit", 1, 4];
const PAN = 60;

/** The zoom after a step nearer (1), further (-1), the next of fit, 1:1 and 4x (0), or back to fit (null). `fitting` is
 * how many screen pixels a picture's pixel has when it fits. */
export function zoomed(level, way, fitting) {
  if (way === null) return "fit";
  if (way === 0) return ROUND[(ROUND.indexOf(level) + 1) % ROUND.length];
  const now = level === "fit" ? fitting : level;
  const further = LEVELS.filter((one) => (way > 0 ? one > now * 1.01 : one < now * 0.99));
  return (way > 0 ? further[0] : further.at(-1)) ?? (way > 0 ? level : "fit");
}

export class Preview {
  constructor(api, store, on) {
    Object.assign(this, { api, store, on, place: 0, level: "fit", seen: new Map(), turned: 0 });
    this.image = h("img", { alt: "", draggable: "false" });
    this.image.addEventListener("load", () => this.#scale());
    this.caption = h("div", { class: "ss-preview-caption", "aria-live": "polite" });
    const button = (text, label, work, kind = "") =>
      h("button", { type: "button", "aria-label": label, title: label, class: kind, onclick: work }, text);
    this.levels = [
      ["Fit", "Fit the window (F)", "fit"],
      ["1:1", "One to one (Z)", 1],
      ["4×", "Four times, every pixel a square (Z)", 4],
    ].map(([text, label, level]) =>
      Object.assign(
        button(text, label, () => this.#zoomTo(level)),
        { level },
      ),
    );
    this.view = h("div", { class: "ss-view" }, this.image);
    this.photo = h("img", { alt: "the nearest real photo" });
    this.likeness = h("figcaption");
    this.nearest = h("figure", { class: "ss-nearest", hidden: true }, this.photo, this.likeness);
    this.element = h(
      "div",
      {
        class: "ss-preview",
        role: "dialog",
        "aria-modal": "true",
        "aria-label": "Preview",
        tabindex: -1,
        hidden: true,
      },
      h(
        "div",
        { class: "ss-preview-top" },
        this.caption,
        h("span", { class: "ss-levels", role: "group", "aria-label": "Zoom" }, this.levels),
        button("✕ Close", "Close (Space)", () => this.close()),
      ),
      h(
        "div",
        { class: "ss-preview-stage" },
        button("‹", "Previous image", () => on.step(-1), "ss-step"),
        this.view,
        this.nearest,
        button("›", "Next image", () => on.step(1), "ss-step"),
      ),
      h(
        "div",
        { class: "ss-preview-actions" },
        button("✕ Reject", "Reject (X)", () => on.decide("reject"), "ss-reject"),
        button("Pending", "Back to pending (U)", () => on.decide("clear")),
        button("✓ Accept", "Accept (P)", () => on.decide("keep"), "ss-accept"),
        button("↶ Undo", "Undo (Ctrl Z)", () => on.undo()),
      ),
    );
    this.#listen();
  }

  #listen() {
    this.element.addEventListener(
      "touchstart",
      (event) => {
        this.from = event.touches.length === 1 && this.level === "fit" ? event.touches[0] : null;
      },
      { passive: true },
    );
    this.element.addEventListener("touchend", (event) => this.#swiped(event.changedTouches[0]), { passive: true });
    this.element.addEventListener("keydown", (event) => {
      this.#keepFocus(event);
      this.#panned(event);
    });
    this.view.addEventListener("wheel", (event) => this.#wheeled(event), { passive: false });
    this.view.addEventListener("pointerdown", (event) => this.#drag(event));
    this.sized = new ResizeObserver(() => this.#scale());
    this.sized.observe(this.view);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  open() {
    this.returnTo = document.activeElement;
    this.element.hidden = false;
    this.element.focus();
    this.show(this.place);
  }

  close() {
    this.element.hidden = true;
    this.returnTo?.focus?.({ preventScroll: true });
  }

  async show(place) {
    this.place = place;
    if (!this.isOpen) return;
    const row = await this.store.rowWhenThere(place);
    if (!row || place !== this.place) return;
    const source = this.api.image(row.digest);
    if (this.image.getAttribute("src") !== source) {
      // The small picture is here already: show it until the large one is.
      this.image.style.backgroundImage = `url("${this.api.thumb(row.digest, 160)}")`;
      this.image.src = source;
      this.#compare(row);
    }
    const shown = this.store.shown(row);
    const word = { keep: "✓ accepted", relabel: "✓ accepted", reject: "✕ rejected" }[shown.verdict] ?? "pending";
    this.element.dataset.standing = word.split(" ").at(-1);
    const saved = shown.problem ? `, not saved: ${shown.problem}` : shown.waiting ? " …" : "";
    this.caption.textContent =
      `${shown.label} · ${row.origin} · ${word}${saved} · ` +
      `${place + 1} of ${this.store.total.toLocaleString("en-US")}`;
    this.image.alt = `${shown.label}, ${row.origin}`;
    for (const next of [1, 2, -1]) {
      const other = this.store.row(place + next);
      if (other) new Image().src = this.api.image(other.digest);
    }
  }

  // ---- the nearest real photo

  /** Quick walking asks only for where one stops; a real photo is compared with nothing. */
  #compare({ digest, origin }) {
    clearTimeout(this.later);
    this.nearest.hidden = true;
    this.digest = digest;
    if (origin === "real") return;
    if (this.seen.has(digest)) {
      this.#beside(this.seen.get(digest));
      return;
    }
    this.later = setTimeout(async () => {
      const found = await this.api.ask(`details/${digest}`).catch(() => null);
      if (!found) return;
      if (this.seen.size > 200) this.seen.clear();
      this.seen.set(digest, found.nearest);
      if (digest === this.digest) this.#beside(found.nearest);
    }, 150);
  }

  #beside(nearest) {
    this.nearest.hidden = false;
    this.photo.hidden = !nearest;
    if (nearest) this.photo.src = this.api.image(nearest.digest);
    this.likeness.textContent = nearest
      ? `Nearest real photo, cosine ${nearest.cosine} by ${nearest.encoder}`
      : "No nearest real photo: nothing has compared this image with photos yet.";
  }

  // ---- zoom

  /** Nearer (1), further (-1), the next of fit, 1:1 and 4x (0), fit (null); false where no preview is open. */
  zoom(way) {
    if (!this.isOpen) return false;
    this.#zoomTo(zoomed(this.level, way, this.#fitting()));
    return true;
  }

  /** Screen pixels of one pixel of the picture where it fits. */
  #fitting() {
    const { naturalWidth: width, naturalHeight: height } = this.image;
    return width ? Math.min(this.view.clientWidth / width, this.view.clientHeight / height) : 1;
  }

  #zoomTo(level, at = [0.5, 0.5]) {
    const { view } = this,
      share = ([x, y]) => [
        (view.scrollLeft + x * view.clientWidth) / view.scrollWidth,
        (view.scrollTop + y * view.clientHeight) / view.scrollHeight,
      ];
    const [x, y] = share(at);
    this.level = level;
    this.#scale();
    view.scrollTo(x * view.scrollWidth - at[0] * view.clientWidth, y * view.scrollHeight - at[1] * view.clientHeight);
  }

  #scale() {
    const { level, image, view } = this,
      fits = level === "fit";
    for (const button of this.levels) button.setAttribute("aria-pressed", String(button.level === level));
    view.dataset.level = level;
    image.style.width = fits ? "" : `${image.naturalWidth * level}px`;
    image.style.height = fits ? "" : `${image.naturalHeight * level}px`;
    image.style.imageRendering = !fits && level > 1 ? "pixelated" : "";
    if (view.scrollWidth > view.clientWidth || view.scrollHeight > view.clientHeight) view.tabIndex = 0;
    else view.removeAttribute("tabindex");
  }

  #wheeled(event) {
    if (event.ctrlKey) return; // the browser's own zoom
    event.preventDefault();
    this.turned += event.deltaY;
    if (Math.abs(this.turned) < 40) return;
    const way = this.turned < 0 ? 1 : -1,
      box = this.view.getBoundingClientRect();
    this.turned = 0;
    this.#zoomTo(zoomed(this.level, way, this.#fitting()), [
      (event.clientX - box.left) / box.width,
      (event.clientY - box.top) / box.height,
    ]);
  }

  #drag(event) {
    if (event.pointerType !== "mouse" || event.button || this.level === "fit") return;
    event.preventDefault();
    this.view.setPointerCapture(event.pointerId);
    const move = ({ movementX, movementY }) => this.view.scrollBy(-movementX, -movementY);
    this.view.addEventListener("pointermove", move);
    this.view.addEventListener("pointerup", () => this.view.removeEventListener("pointermove", move), { once: true });
  }

  #panned(event) {
    const by = { ArrowLeft: [-PAN, 0], ArrowRight: [PAN, 0], ArrowUp: [0, -PAN], ArrowDown: [0, PAN] }[event.key];
    if (!by || !event.shiftKey) return;
    event.preventDefault();
    this.view.scrollBy(...by);
  }

  #swiped(to) {
    if (!this.from || !to) return;
    const x = to.clientX - this.from.clientX,
      y = to.clientY - this.from.clientY;
    this.from = null;
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) this.on.decide(x > 0 ? "keep" : "reject");
  }

  #keepFocus(event) {
    if (event.key !== "Tab") return;
    const buttons = [...this.element.querySelectorAll("button")].filter((button) => button.offsetParent !== null);
    const edge = event.shiftKey ? buttons[0] : buttons.at(-1);
    if (document.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? buttons.at(-1) : buttons[0]).focus();
  }
}
