// Wheel, drag, pinch, lasso and keys on the map.

const STILL = 4, // pixels that a press may move and still be a press
  STRIDE = 4, // between two corners of a lasso
  REACH = 12; // from a point to the pointer that means it
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Listen on the stage of a map. `on`: `moved` (another view), `over(place)`, `press(place, event)`, `open(place)`,
 * `lasso(corners)` while it is drawn, `select(corners)` at its end. */
export class Gestures {
  constructor(map, on) {
    Object.assign(this, { map, on, pointers: new Map(), corners: null, moved: 0 });
    const { stage } = map;
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => this.#up(event));
    stage.addEventListener("pointerleave", () => this.on.over(-1));
    stage.addEventListener("dblclick", (event) => this.on.open(this.#at(event)));
    stage.addEventListener("keydown", (event) => this.#key(event));
  }

  #spot(event) {
    const box = this.map.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** The place of the point that an event means; -1 if none. */
  #at(event) {
    const { camera, index } = this.map;
    return index ? index.nearest(...camera.share(...this.#spot(event)), REACH / camera.scale) : -1;
  }

  #wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    this.map.camera.zoom(Math.exp(-pixels * 0.0016), ...this.#spot(event));
    this.on.moved();
  }

  #down(event) {
    if (event.button || event.target.closest("button, a")) return;
    this.map.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.#spot(event));
    this.moved = 0;
    if (this.pointers.size > 1) this.corners = null;
    else if (event.shiftKey || this.map.lassoing) this.corners = [this.map.camera.share(...this.#spot(event))];
    this.on.lasso(this.corners);
  }

  #move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") this.on.over(this.#at(event));
      return;
    }
    const now = this.#spot(event);
    if (this.corners && Math.hypot(now[0] - before[0], now[1] - before[1]) < STRIDE) return;
    this.moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (this.pointers.size > 1) this.#pinch(event.pointerId, before, now);
    else if (this.corners) {
      this.corners.push(this.map.camera.share(...now));
      this.on.lasso(this.corners);
    } else {
      this.map.camera.pan(now[0] - before[0], now[1] - before[1]);
      this.on.moved();
    }
    this.pointers.set(event.pointerId, now);
  }

  /** Two fingers: as much larger as they are farther apart, around what lies between them. */
  #pinch(pointer, before, now) {
    const other = [...this.pointers].find(([id]) => id !== pointer)[1];
    const apart = (one) => Math.max(1, Math.hypot(one[0] - other[0], one[1] - other[1]));
    this.map.camera.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.map.camera.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    this.on.moved();
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const corners = this.corners;
    this.corners = null;
    if (corners) this.on.lasso(null);
    if (event.type === "pointercancel") return;
    if (this.moved > STILL) {
      if (corners) this.on.select(corners);
      return;
    }
    const place = this.#at(event);
    if (place >= 0) this.on.press(place, event);
  }

  #key(event) {
    const { camera } = this.map;
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.map.stage) return;
    if (event.key in ARROWS) this.on.step(ARROWS[event.key], event.shiftKey);
    else if (event.key === "+" || event.key === "=") camera.zoom(1.5);
    else if (event.key === "-") camera.zoom(1 / 1.5);
    else if (event.key === "0") camera.fit(camera.width, camera.height);
    else return;
    event.preventDefault();
    this.on.moved();
  }
}
