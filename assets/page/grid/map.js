// The map of a view: every image that has a place as a point. Its selection and its decisions are those of the grid.
import { h, inSight, link, offer, perFrame, render, sleep, text } from "../shared/dom.js";
import { many, number } from "../shared/format.js";
import { post } from "../shared/server.js";
import { BY, coloured, sizeOf, strideOf } from "./map_colours.js";
import { Card } from "./map_card.js";
import { Gestures } from "./map_gestures.js";
import { Holes } from "./map_holes.js";
import { Theme } from "./map_theme.js";
import { atMostOften } from "./pace.js";
import { Places } from "./places.js";
import { Camera, Index, REJECTED, TWIN, read } from "./points.js";
import { Raster } from "./raster.js";

const MOST_SPANS = 100_000; // what one gesture may say, see `review_routes`
const STILL = 160; // milliseconds without a move until everything is drawn
const LOOK = 700; // milliseconds between two looks at the run that makes a map
const SHAPES = "● made   ○ photo   ■ distilled   ▣ twin of a photo   ◎ hole";

export class ImageMap {
  constructor(review) {
    Object.assign(this, {
      review,
      camera: new Camera(),
      theme: new Theme(),
      points: null,
      index: null,
      over: -1,
      lassoing: false,
    });
    this.picture = h("canvas", { "aria-hidden": "true" });
    this.line = h("canvas", { "aria-hidden": "true" });
    this.card = new Card(review);
    this.stage = h(
      "div",
      { class: "ss-map-stage", tabindex: 0, role: "group", "aria-label": "Map of the images" },
      this.picture,
      this.line,
      this.card.element,
    );
    this.by = h("select", { "aria-label": "Colour by", onchange: () => this.#recolour() });
    offer(this.by, BY);
    this.lasso = h(
      "button",
      {
        type: "button",
        "aria-pressed": "false",
        title: "Draw around images (or drag with Shift)",
        onclick: () => this.#lassoing(),
      },
      "Lasso",
    );
    this.said = h("span", { class: "ss-map-said", role: "status" });
    this.legend = h("div", { class: "ss-map-legend" });
    this.twins = h("button", { type: "button", class: "ss-reject", hidden: true, onclick: () => this.#rejectTwins() });
    this.holes = new Holes(review, { go: (place) => this.#go(place), toggled: () => this.draw() });
    const icon = (words, title, work) =>
      h("button", { type: "button", class: "ss-icon", title, "aria-label": title, onclick: work }, words);
    const zoom = (factor) => () => {
      this.camera.zoom(factor);
      this.draw();
    };
    this.element = h(
      "div",
      { class: "ss-map" },
      h(
        "div",
        { class: "ss-line" },
        h("label", { class: "ss-field" }, h("span", {}, "Colour"), this.by),
        this.lasso,
        icon("+", "Larger", zoom(1.6)),
        icon("−", "Smaller", zoom(1 / 1.6)),
        icon("⤢", "The whole map", () => {
          this.camera.fit(this.camera.width, this.camera.height);
          this.draw();
        }),
        this.twins,
        this.holes.button,
        this.said,
      ),
      h("div", { class: "ss-map-middle" }, this.stage, this.holes.element),
      this.legend,
    );
    this.raster = new Raster(this.picture);
    this.draw = perFrame(() => this.#draw());
    this.standings = atMostOften(() => this.#standings(), 150);
    new Gestures(this, {
      moved: () => this.#moving(),
      over: (place) => this.#hover(place),
      press: (place, event) => this.#press(place, event),
      open: (place) => place >= 0 && review.togglePreview(),
      step: (way, extend) => this.#step(way, extend),
      lasso: (corners) => this.#drawLasso(corners),
      select: (corners) => this.#select(corners),
    });
    new ResizeObserver(() => this.#fit()).observe(this.stage);
  }

  /** Called when the map is shown; `asked`: make one if there is none. */
  async open(asked) {
    this.#fit();
    try {
      const state = await this.#state();
      if (asked && !state.map && !state.run) await this.#make(false);
      else if (isWorking(state.run)) await this.#follow();
    } catch (error) {
      this.review.status.say(error.message);
    }
    this.draw();
  }

  // ---- what there is to show

  async #state() {
    this.state = await this.review.api.insist("map/state");
    this.#say();
    return this.state;
  }

  async #make(anew) {
    try {
      await post("/review/map", { project: this.review.project, anew });
      await this.#follow();
    } catch (error) {
      this.review.status.say(error.message);
    }
  }

  /** Look at the run that makes the map until it has ended; then show what it made. */
  async #follow() {
    if (this.following) return;
    this.following = true;
    try {
      while (isWorking((await this.#state()).run)) await sleep(LOOK);
    } finally {
      this.following = false;
    }
    this.asked = "";
    this.draw();
  }

  async #load() {
    const { api, store } = this.review;
    const asked = store.asked;
    this.asked = asked;
    if (!asked) return;
    try {
      if (!(await this.#state()).map) return;
      const points = read(await api.ask("map/points", { q: asked }, "bytes"));
      if (asked !== this.asked) return;
      this.points = points;
      this.index = new Index(points);
      this.over = -1;
      this.#recolour();
      this.#say();
      await this.holes.ask(asked);
      this.draw();
    } catch (error) {
      this.review.status.say(error.message);
    }
  }

  /** How the images stand now, as soon as decisions are stored. */
  async #standings() {
    if (!this.points) return;
    const { asked, points } = this;
    const found = new Uint8Array(await this.review.api.ask("map/standings", { q: asked }, "bytes"));
    if (asked !== this.asked || found.length !== points.total) return;
    points.standing = found;
    this.#recolour();
    this.#say();
  }

  // ---- drawing

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    this.density = Math.min(2, devicePixelRatio || 1);
    this.camera.resize(width, height);
    this.raster.resize(Math.round(width * this.density), Math.round(height * this.density));
    Object.assign(this.line, { width, height });
    this.draw();
  }

  #draw() {
    if (!inSight(this.element) || !this.raster.image) return;
    const { grid, selection, store } = this.review;
    if (store.asked !== this.asked) this.#load();
    this.#hearDecisions();
    if (this.theme.read(this.element)) this.#recolour();
    if (!this.points) return;
    const { camera, density, points } = this;
    this.raster.draw({
      points,
      camera: { left: camera.left, top: camera.top, scale: camera.scale * density },
      ...this.shown,
      ...this.theme.numbers,
      holes: this.holes.isOpen ? this.holes.places : [],
      selection: points.total === store.total ? selection : [],
      size: sizeOf(points.placed, camera.scale / Math.min(camera.width, camera.height), density),
      stride: this.stride,
    });
    this.#show(this.over >= 0 ? this.over : grid.current);
  }

  /** The view is being moved: quickly, then whole. */
  #moving() {
    clearTimeout(this.still);
    this.stride = strideOf(this.points?.total ?? 0);
    this.still = setTimeout(() => {
      this.stride = 1;
      this.draw();
    }, STILL);
    this.draw();
  }

  #recolour() {
    if (!this.points) return;
    this.theme.read(this.element);
    this.shown = coloured(this.points, this.by.value, this.theme.numbers);
    render(this.legend, this.shown.legend, (legend) => [
      legend.map(([colour, words]) =>
        h("span", {}, colour && h("i", { style: `--colour:${colour.join(" ")}` }), words),
      ),
      h("span", { class: "ss-map-shapes" }, SHAPES),
    ]);
    this.draw();
  }

  #say() {
    const { map, run, compared } = this.state ?? {};
    const { points } = this;
    const without = points ? points.total - points.placed : 0,
      missing = Math.min(without, map?.missing ?? 0);
    const twins = points ? this.#twinPlaces().length : 0;
    this.twins.hidden = !twins;
    text(this.twins, `Reject ${many(twins, "twin")}`);
    this.twins.title = "Made images that show a photo again, all at once; undo takes it back";
    render(this.said, [map, run, without, points?.placed, compared], () => {
      if (run && isWorking(run))
        return `${run.total ? `${number(run.done)} of ${number(run.total)} ${run.unit}` : run.words}…`;
      const failed = run && `${run.error || `The run is ${run.words}.`} `;
      if (!map) return [failed, link("Make the map", () => this.#make(false))];
      if (!points) return failed;
      return [
        failed,
        `${many(points.placed, "image")}, as ${map.eye} sees them. `,
        missing > 0 && [`${number(missing)} without a place: ${map.eye} has not looked at them. `,
          link("Give them a place", () => this.#make(false)), " "], // prettier-ignore
        without > missing &&
          `${number(without - missing)} have no place: they are in no set (photos that no split uses). `,
        !compared && "Twins are found by the score “nearest real”. ",
        link("Fit anew", () => this.#make(true), { title: "Everything may move" }),
      ];
    });
  }

  /** After decisions have been stored, here or elsewhere, the points are asked how they stand. */
  #hearDecisions() {
    const { queue, view } = this.review;
    const looks = `${queue.waiting.length} ${queue.undoable.length} ${queue.redoable.length} ${view.last}`;
    if (looks === this.decided) return;
    this.decided = looks;
    if (!queue.waiting.length) this.standings();
  }

  // ---- the point that is pointed at

  #show(place) {
    const spot = this.drawing ? null : this.card.show(this, place, this.holes.places.includes(place));
    if (spot) this.#cross(...spot);
  }

  /** A cross hair around the point whose card is shown. */
  #cross(x, y) {
    if (this.drawing) return;
    const pen = this.line.getContext("2d");
    pen.clearRect(0, 0, this.line.width, this.line.height);
    pen.strokeStyle = this.theme.written.ink;
    pen.lineWidth = 2;
    pen.strokeRect(x - 9, y - 9, 18, 18);
  }

  #hover(place) {
    if (place === this.over) return;
    this.over = place;
    this.stage.classList.toggle("over", place >= 0);
    this.#show(place >= 0 ? place : this.review.grid.current);
  }

  // ---- choosing

  #go(place) {
    this.over = -1;
    this.review.grid.go(place);
    this.draw();
  }

  #press(place, event) {
    if (event.ctrlKey || event.metaKey) this.review.selection.toggle(place);
    const again = place === this.review.grid.current && event.pointerType === "touch";
    this.#go(place);
    this.stage.focus({ preventScroll: true });
    this.review.redraw();
    if (again) this.review.togglePreview();
  }

  /** To the next point in a direction, as the keys say. */
  #step(way, extend) {
    const { grid, selection } = this.review;
    const place = this.index?.beside(grid.current, way) ?? -1;
    if (place < 0) return;
    if (extend) selection.addEach([grid.current, place].sort((a, b) => a - b));
    this.#go(place);
    this.review.redraw();
  }

  #lassoing() {
    this.lassoing = !this.lassoing;
    this.lasso.setAttribute("aria-pressed", String(this.lassoing));
    this.stage.classList.toggle("lassoing", this.lassoing);
  }

  #drawLasso(corners) {
    this.drawing = corners;
    if (corners) this.card.hide();
    const pen = this.line.getContext("2d");
    pen.clearRect(0, 0, this.line.width, this.line.height);
    if (!corners) return;
    pen.beginPath();
    for (const corner of corners) pen.lineTo(...this.camera.pixel(...corner));
    pen.closePath();
    pen.strokeStyle = pen.fillStyle = this.theme.written.accent;
    pen.lineWidth = 2;
    pen.stroke();
    pen.globalAlpha = 0.12;
    pen.fill();
    pen.globalAlpha = 1;
  }

  #select(corners) {
    const { selection, status } = this.review;
    const before = selection.spans;
    selection.addEach(this.index?.inside(corners) ?? []);
    if (selection.spans.length > MOST_SPANS) {
      selection.spans = before;
      status.say("These lie too far apart in the list to be chosen at once. Filter first, or choose fewer.");
    }
    this.review.redraw();
  }

  #twinPlaces() {
    const { mark, standing } = this.points;
    const found = [];
    for (let place = 0; place < mark.length; place++)
      if (mark[place] & TWIN && standing[place] !== REJECTED) found.push(place);
    return found;
  }

  /** Every twin of the view, in one gesture, which one undo takes back. */
  #rejectTwins() {
    const { queue, store, view } = this.review;
    const twins = new Places();
    twins.addEach(this.#twinPlaces());
    const { run, image_set } = view.filter;
    queue.add({ verdict: "reject", run, image_set, query: store.query, spans: twins.spans });
    this.review.redraw();
  }
}

const isWorking = (run) => ["queued", "running", "stopping"].includes(run?.state);
