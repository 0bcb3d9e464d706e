// Drawing points, hundreds of thousands in a frame, without a graphics card: into the pixels of an image, glyph by glyph.
import { PLACED, REAL, REJECTED, TWIN } from "./points.js";

const FAINT = 0.72; // of what is rejected, towards the ground

/** [right, down] of the pixels of a glyph, around its middle. */
function pixels(radius, wanted) {
  const found = [];
  const reach = Math.ceil(radius);
  for (let down = -reach; down <= reach; down++)
    for (let right = -reach; right <= reach; right++) if (wanted(right, down)) found.push([right, down]);
  return found;
}
const disc = (radius) => pixels(radius, (x, y) => Math.hypot(x, y) <= radius);
const ring = (radius, thick) =>
  pixels(radius, (x, y) => Math.hypot(x, y) <= radius && Math.hypot(x, y) > radius - thick);
const square = (radius) => pixels(radius, () => true);
const frame = (radius, thick) => pixels(radius, (x, y) => Math.max(Math.abs(x), Math.abs(y)) > radius - thick);

/** What stands for an image: made ones are discs, distilled ones squares, photos rings; around a twin is a frame, around
 * a hole a wide ring, around what is selected a ring that touches. */
export function glyphs(size) {
  const thick = Math.max(1, Math.round(size / 2.4));
  return {
    origins: [ring(size + thick + 0.4, thick), disc(size + 0.2), square(Math.round(size))],
    twin: frame(Math.round(size + 2 * thick), thick),
    hole: ring(size + 4 * thick + 0.5, thick),
    chosen: ring(size + 2.6 * thick, thick),
  };
}

/** A colour as a pixel: 0xAABBGGRR. */
export function pixel([red, green, blue]) {
  return (255 << 24) | (blue << 16) | (green << 8) | red | 0;
}

export const mixed = (one, other, share) => one.map((part, at) => Math.round(part + (other[at] - part) * share));

export class Raster {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
  }

  /** So many pixels of the screen. */
  resize(width, height) {
    if (this.image?.width === width && this.image.height === height) return;
    Object.assign(this.canvas, { width, height });
    this.image = this.context.createImageData(width, height);
    this.words = new Int32Array(this.image.data.buffer);
  }

  /** Draw all points, or every so-manieth (`stride`): `colour[i]` counts into `palette`, whose entries are [r, g, b].
   * `camera` is in pixels of the screen; `holes` and `selection` are of places. */
  draw({ points, camera, colour, palette, ground, ink, accent, holes, selection, size, stride = 1 }) {
    const { width, height } = this.image;
    const glyph = glyphs(size);
    this.words.fill(pixel(ground));
    const strong = palette.map(pixel),
      faint = palette.map((one) => pixel(mixed(one, ground, FAINT)));
    const across = camera.scale / 65536,
      { x, y, origin, standing, mark, total } = points;
    const left = camera.left * camera.scale,
      top = camera.top * camera.scale;
    const stamps = glyph.origins.map((one) => this.#offsets(one));
    const twin = this.#offsets(glyph.twin),
      inked = pixel(ink);
    const edge = Math.ceil(size * 4 + 8);
    // Made images first, photos over them: there are few, and they are what is compared with.
    for (const reals of [false, true])
      for (let place = 0; place < total; place += stride) {
        if ((origin[place] === REAL) !== reals || !(mark[place] & PLACED)) continue;
        const column = (x[place] * across - left) | 0,
          row = (y[place] * across - top) | 0;
        if (column < -edge || row < -edge || column >= width + edge || row >= height + edge) continue;
        if (column < edge || row < edge || column >= width - edge || row >= height - edge) {
          this.#clipped(
            glyph,
            points,
            place,
            column,
            row,
            standing[place] === REJECTED ? faint : strong,
            colour,
            inked,
          );
          continue;
        }
        const at = row * width + column,
          own = (standing[place] === REJECTED ? faint : strong)[colour[place]],
          stamp = stamps[origin[place]];
        for (let one = 0; one < stamp.length; one++) this.words[at + stamp[one]] = own;
        if (mark[place] & TWIN) for (let one = 0; one < twin.length; one++) this.words[at + twin[one]] = inked;
      }
    const placed = (places, shape, value) => {
      for (const place of places)
        if (mark[place] & PLACED)
          this.#stamp(shape, (x[place] * across - left) | 0, (y[place] * across - top) | 0, pixel(value));
    };
    placed(holes, glyph.hole, ink);
    placed(selection, glyph.chosen, accent);
    this.context.putImageData(this.image, 0, 0);
  }

  #offsets(shape) {
    return Int32Array.from(shape, ([right, down]) => down * this.image.width + right);
  }

  /** A point at the edge of the window: pixel by pixel. */
  #clipped(glyph, { origin, mark }, place, column, row, colours, colour, inked) {
    this.#stamp(glyph.origins[origin[place]], column, row, colours[colour[place]]);
    if (mark[place] & TWIN) this.#stamp(glyph.twin, column, row, inked);
  }

  #stamp(shape, column, row, value) {
    const { width, height } = this.image;
    for (const [right, down] of shape) {
      const [x, y] = [column + right, row + down];
      if (x >= 0 && y >= 0 && x < width && y < height) this.words[y * width + x] = value;
    }
  }
}
