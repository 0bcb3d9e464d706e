// A set of places in a list, kept as spans: selecting a million images is one pair of numbers.

export class Places {
  constructor() {
    this.spans = [];
  }

  get size() {
    return this.spans.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }
  has(place) {
    return this.spans.some(([first, last]) => first <= place && place <= last);
  }
  clear() {
    this.spans = [];
  }

  add(first, last) {
    if (first > last) [first, last] = [last, first];
    const apart = this.spans.filter(([a, b]) => b < first - 1 || a > last + 1);
    const touching = this.spans.filter(([a, b]) => !(b < first - 1 || a > last + 1));
    const merged = [Math.min(first, ...touching.map((s) => s[0])), Math.max(last, ...touching.map((s) => s[1]))];
    this.spans = [...apart, merged].sort((a, b) => a[0] - b[0]);
  }

  remove(place) {
    this.spans = this.spans.flatMap(([a, b]) =>
      place < a || place > b
        ? [[a, b]]
        : [
            [a, place - 1],
            [place + 1, b],
          ].filter(([first, last]) => first <= last),
    );
  }

  toggle(place) {
    if (this.has(place)) this.remove(place);
    else this.add(place, place);
  }

  /** Every place, one after the other. */
  *[Symbol.iterator]() {
    for (const [a, b] of this.spans) for (let i = a; i <= b; i++) yield i;
  }
}
