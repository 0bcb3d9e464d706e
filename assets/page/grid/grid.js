// The windowed grid: only tiles in sight exist, wherever one is in a list of a million.
import { h, perFrame } from "../shared/dom.js";

const GAP = 8;
const CAPTION = 22;
const SPARE_ROWS = 2;
// Browsers stop believing heights somewhere above ten million pixels; a taller list scrolls through a shorter one.
const TALLEST = 8_000_000;
const MARKS = { keep: "✓", relabel: "✓", reject: "✕" };
const WORDS = { keep: "accepted", relabel: "accepted", reject: "rejected" };

export class Grid {
  constructor(api, store, selection, on) {
    Object.assign(this, {
      api,
      store,
      selection,
      on,
      current: 0,
      size: 128,
      scored: false,
      pool: new Map(),
      offset: 0,
      scrolled: 0,
    });
    this.pad = h("div", { class: "ss-pad" });
    this.element = h(
      "div",
      {
        class: "ss-grid",
        tabindex: 0,
        role: "listbox",
        "aria-multiselectable": "true",
        "aria-label": "Images",
      },
      this.pad,
    );
    this.draw = perFrame(() => this.#draw());
    this.element.addEventListener(
      "scroll",
      () => {
        this.#scroll();
        this.draw();
      },
      { passive: true },
    );
    this.pad.addEventListener("click", (event) => this.#click(event));
    this.pad.addEventListener("dblclick", (event) => {
      if (this.#place(event) !== null) this.on.open();
    });
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.element);
  }

  close() {
    this.observer.disconnect();
  }

  get rows() {
    return Math.ceil(this.store.total / this.columns);
  }
  get tall() {
    return this.rows * this.pitch;
  }
  get height() {
    return Math.min(this.tall, TALLEST);
  }
  get top() {
    return this.element.scrollTop + this.offset;
  }

  /** Measure again: the window, the size or the list has changed. The current image stays in sight. */
  layout() {
    const width = this.element.clientWidth - 2;
    if (width <= 0) return;
    const wished = Math.min(this.size, Math.floor((width - 2 * GAP) / 3));
    this.columns = Math.max(1, Math.floor((width + GAP) / (wished + GAP)));
    this.cell = Math.floor((width - GAP * (this.columns - 1)) / this.columns);
    this.pitch = this.cell + CAPTION + GAP;
    this.pad.style.height = `${this.height}px`;
    for (const tile of this.pool.values()) tile.remove();
    this.pool.clear();
    this.reveal();
    this.draw();
  }

  /** Go to a place; it becomes the current image and is brought into sight. */
  go(place) {
    this.current = Math.max(0, Math.min(this.store.total - 1, place));
    this.reveal();
    this.draw();
    this.on.move(this.current);
  }

  reveal() {
    if (!this.columns || !this.store.total) return;
    const y = Math.floor(this.current / this.columns) * this.pitch;
    const sight = this.element.clientHeight;
    if (y < this.top) this.#goTo(y);
    else if (y + this.pitch > this.top + sight) this.#goTo(y + this.pitch - sight);
  }

  /** How many places a page up or down goes. */
  get leap() {
    return Math.max(1, Math.floor(this.element.clientHeight / this.pitch)) * this.columns;
  }

  /** Ask again for pictures that did not come. */
  mend() {
    for (const image of this.pad.querySelectorAll("img[data-failed]")) {
      delete image.dataset.failed;
      image.src = image.dataset.src;
    }
  }

  #goTo(y) {
    const last = Math.max(0, this.tall - this.element.clientHeight);
    y = Math.max(0, Math.min(last, y));
    const scroll = last ? (y * Math.max(0, this.height - this.element.clientHeight)) / last : 0;
    this.offset = this.tall > TALLEST ? Math.round(y - scroll) : 0;
    this.element.scrollTop = this.scrolled = y - this.offset;
  }

  /** In a list taller than its scroll bar, small moves move by pixels and large ones by share. */
  #scroll() {
    const now = this.element.scrollTop,
      moved = Math.abs(now - this.scrolled);
    this.scrolled = now;
    if (this.tall <= TALLEST) return;
    const sight = this.element.clientHeight,
      last = this.height - sight;
    if (moved > sight || now <= 0 || now >= last) this.offset = Math.round((now * (this.tall - sight)) / last - now);
    clearTimeout(this.still);
    this.still = setTimeout(() => {
      this.#goTo(this.top);
      this.draw();
    }, 200);
  }

  #draw() {
    if (!this.columns) return;
    const { columns, pitch } = this;
    const first = Math.max(0, (Math.floor(this.top / pitch) - SPARE_ROWS) * columns);
    const end = Math.min(
      this.store.total,
      (Math.ceil((this.top + this.element.clientHeight) / pitch) + SPARE_ROWS) * columns,
    );
    for (const [place, tile] of this.pool)
      if (place < first || place >= end) {
        tile.remove();
        this.pool.delete(place);
      }
    for (let place = first; place < end; place++) {
      let tile = this.pool.get(place);
      if (!tile) {
        tile = this.#tile(place);
        this.pool.set(place, tile);
        this.pad.append(tile);
      }
      const y = Math.floor(place / columns) * pitch - this.offset;
      tile.style.transform = `translate(${(place % columns) * (this.cell + GAP)}px,${y}px)`;
      this.#paint(tile, place);
    }
    const active = this.pool.get(this.current);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
  }

  #tile(place) {
    const tile = h("div", {
      class: "ss-tile",
      role: "option",
      id: `ss-tile-${place}`,
      "data-place": place,
      "aria-label": `image ${place + 1}, still loading`,
    });
    tile.style.width = `${this.cell}px`;
    tile.style.height = `${this.cell + CAPTION}px`;
    const image = h("img", { alt: "", draggable: "false", decoding: "async" });
    image.addEventListener("error", () => {
      image.dataset.failed = "1";
    });
    tile.append(
      h("div", { class: "ss-picture" }, image),
      h("span", { class: "ss-mark", "aria-hidden": "true" }),
      h("div", { class: "ss-caption" }),
    );
    return tile;
  }

  /** Bring a tile up to date; does nothing if it is. */
  #paint(tile, place) {
    const row = this.store.row(place);
    const shown = row && this.store.shown(row);
    const chosen = this.selection.has(place),
      active = place === this.current;
    const score = row && this.scored && typeof row.score === "number" ? row.score.toPrecision(3) : "";
    const looks = row
      ? [row.digest, shown.verdict, shown.label, shown.waiting, shown.problem, chosen, active, score].join("|")
      : `${chosen}|${active}`;
    if (tile.dataset.looks === looks) return;
    tile.dataset.looks = looks;
    tile.setAttribute("aria-selected", String(chosen));
    tile.classList.toggle("active", active);
    if (!row) return;
    const [picture, mark, caption] = tile.children;
    const image = picture.firstChild,
      source = this.api.thumb(row.digest, this.cell * devicePixelRatio > 200 ? 320 : 160);
    if (image.dataset.src !== source) {
      image.dataset.src = source;
      image.src = source;
    }
    const word = WORDS[shown.verdict] ?? "pending";
    tile.dataset.standing = word;
    tile.classList.toggle("waiting", shown.waiting);
    tile.classList.toggle("problem", Boolean(shown.problem));
    tile.classList.toggle("moved", shown.moved);
    tile.title = shown.problem ? `Not saved: ${shown.problem}` : "";
    mark.textContent = shown.problem ? "!" : (MARKS[shown.verdict] ?? "");
    caption.replaceChildren(
      h("span", {}, shown.moved ? `→ ${shown.label}` : shown.label),
      score && h("span", { class: "ss-tile-score" }, score),
    );
    const saved = shown.problem ? ", not saved yet" : shown.waiting ? ", being saved" : "";
    tile.setAttribute(
      "aria-label",
      `${shown.label}, ${row.origin}, ${word}${saved}${score && `, score ${score}`}, ${place + 1} of ` +
        `${this.store.total}`,
    );
  }

  #place(event) {
    const tile = event.target.closest(".ss-tile");
    return tile ? Number(tile.dataset.place) : null;
  }

  #click(event) {
    const place = this.#place(event);
    if (place === null) return;
    if (event.shiftKey) this.selection.add(this.current, place);
    else if (event.ctrlKey || event.metaKey) this.selection.toggle(place);
    const again = place === this.current && event.pointerType === "touch" && !event.shiftKey && !event.ctrlKey;
    this.on.select();
    if (event.shiftKey) this.draw();
    else this.go(place);
    this.element.focus({ preventScroll: true });
    if (again) this.on.open(); // a finger has no double click that browsers agree on
  }
}
