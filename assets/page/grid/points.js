// The points of a view as the server sends them, and finding some of them: near a place, or inside of a lasso.

export const PLACED = 1, // marks of a point
  TWIN = 2;
export const REAL = 0; // an origin; 1 is synthetic, 2 distilled
export const REJECTED = 2; // a standing; 0 is pending, 1 accepted
const WHOLE = 65536;
const CELLS = 256; // the square is cut into so many strips each way, to find what is near

/** Columns by name and what the head says, see `synthstudio/ui/api/map_routes.py`. */
export function read(buffer) {
  const long = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, long)));
  let at = 4 + long;
  const column = (Kind) => {
    const found = new Kind(buffer, at, head.total);
    at += found.byteLength;
    return found;
  };
  const points = { ...head };
  for (const name of ["x", "y", "label", "run"]) points[name] = column(Uint16Array);
  for (const name of ["origin", "standing", "score", "mark"]) points[name] = column(Uint8Array);
  points.placed = points.mark.reduce((sum, mark) => sum + (mark & PLACED), 0);
  return points;
}

/** Places of points by the cell they lie in: those of cell c are `order[starts[c]]` up to `order[starts[c + 1] - 1]`. */
export class Index {
  constructor({ x, y, mark, total }) {
    Object.assign(this, { x, y });
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    const cell = (place) => (y[place] >> 8) * CELLS + (x[place] >> 8);
    for (let place = 0; place < total; place++) if (mark[place] & PLACED) this.starts[cell(place) + 1]++;
    for (let one = 0; one < CELLS * CELLS; one++) this.starts[one + 1] += this.starts[one];
    this.order = new Uint32Array(this.starts[CELLS * CELLS]);
    const next = this.starts.slice(0, -1);
    for (let place = 0; place < total; place++) if (mark[place] & PLACED) this.order[next[cell(place)]++] = place;
  }

  /** Call with every place whose cell touches a box, in shares of the square. */
  #within(left, top, right, bottom, call) {
    const cell = (share) => Math.max(0, Math.min(CELLS - 1, Math.floor(share * CELLS)));
    for (let row = cell(top); row <= cell(bottom); row++) {
      const first = this.starts[row * CELLS + cell(left)],
        end = this.starts[row * CELLS + cell(right) + 1];
      for (let at = first; at < end; at++) call(this.order[at]);
    }
  }

  /** The place of the point nearest to a share of the square, at most `reach` away; -1 if there is none. Of several at one
   * spot the one that came last, which is drawn on top. */
  nearest(across, down, reach) {
    let found = -1,
      best = (reach * WHOLE) ** 2;
    this.#within(across - reach, down - reach, across + reach, down + reach, (place) => {
      const apart = (this.x[place] - across * WHOLE) ** 2 + (this.y[place] - down * WHOLE) ** 2;
      if (apart < best || (apart === best && place > found)) [found, best] = [place, apart];
    });
    return found;
  }

  /** The place of the nearest point in a direction ([right, down]) from that of a place; -1 if there is none. */
  beside(place, [right, down]) {
    let found = -1,
      best = Infinity;
    for (const other of this.order) {
      const [across, along] = [this.x[other] - this.x[place], this.y[other] - this.y[place]];
      const ahead = across * right + along * down,
        aside = Math.abs(across * down) + Math.abs(along * right);
      if (ahead <= 0 || aside > ahead || ahead + aside >= best) continue;
      [found, best] = [other, ahead + aside];
    }
    return found;
  }

  /** The places inside of a polygon of [across, down], ascending. Where its line crosses itself, evenly odd. */
  inside(polygon) {
    if (polygon.length < 3) return [];
    const [across, down] = [0, 1].map((way) => polygon.map((corner) => corner[way]));
    const found = [];
    this.#within(Math.min(...across), Math.min(...down), Math.max(...across), Math.max(...down), (place) => {
      if (surrounds(across, down, this.x[place] / WHOLE, this.y[place] / WHOLE)) found.push(place);
    });
    return found.sort((a, b) => a - b);
  }
}

/** Whether a polygon with its corners at `xs` and `ys` surrounds a point: a ray from it crosses an odd number of sides. */
function surrounds(xs, ys, x, y) {
  let odd = false;
  for (let one = 0, before = xs.length - 1; one < xs.length; before = one++)
    if (
      ys[one] > y !== ys[before] > y &&
      x < ((xs[before] - xs[one]) * (y - ys[one])) / (ys[before] - ys[one]) + xs[one]
    )
      odd = !odd;
  return odd;
}

/** Where one looks: the shares of the square at the corner of the window, and how many pixels the square is wide. */
export class Camera {
  constructor() {
    this.fit(1, 1);
  }
  fit(width, height) {
    Object.assign(this, { width, height, scale: Math.min(width, height), fitted: true });
    this.left = 0.5 - width / 2 / this.scale;
    this.top = 0.5 - height / 2 / this.scale;
  }
  /** Another window: what was in the middle stays there, and a whole square stays whole. */
  resize(width, height) {
    if (this.fitted) return this.fit(width, height);
    this.left += (this.width - width) / 2 / this.scale;
    this.top += (this.height - height) / 2 / this.scale;
    return Object.assign(this, { width, height });
  }
  pan(right, down) {
    this.left -= right / this.scale;
    this.top -= down / this.scale;
    this.fitted = false;
  }
  /** Larger by a factor; what is at (x, y) of the window stays there. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const [across, down] = this.share(x, y),
      least = Math.min(this.width, this.height);
    this.scale = Math.max(least / 2, Math.min(least * 400, this.scale * factor));
    this.left = across - x / this.scale;
    this.top = down - y / this.scale;
    this.fitted = false;
  }
  share(x, y) {
    return [this.left + x / this.scale, this.top + y / this.scale];
  }
  pixel(across, down) {
    return [(across - this.left) * this.scale, (down - this.top) * this.scale];
  }
}
