// The colours of the style sheets, as the map draws with them: as they are written there, and as numbers.
import { h } from "../shared/dom.js";

const NAMES = {
  ground: "--background-fill-primary",
  ink: "--body-text-color",
  accent: "--color-accent",
  pending: "--faint",
  accepted: "--good",
  rejected: "--bad",
  lowest: "--map-lowest",
  low: "--map-low",
  high: "--map-high",
  highest: "--map-highest",
};

export class Theme {
  /** What is written, by name; `numbers` has each as [red, green, blue]. */
  written = {};
  numbers = {};

  /** Read what holds for an element now; returns whether that is new. */
  read(element) {
    const style = getComputedStyle(element);
    const written = Object.fromEntries(
      Object.entries(NAMES).map(([name, variable]) => [name, style.getPropertyValue(variable).trim()]),
    );
    if (JSON.stringify(written) === JSON.stringify(this.written)) return false;
    this.written = written;
    this.numbers = Object.fromEntries(Object.entries(written).map(([name, colour]) => [name, numbers(colour)]));
    return true;
  }
}

/** A colour, however it is written, as [red, green, blue]. */
function numbers(colour) {
  const pen = h("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
}
