// A set of places in a list, kept as spans: selecting a million images is one pair of numbers.

export class Places {
  constructor() {
    this.spans = [];
  }

  get size() {
    return this.spans.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }
  has(place) {
    let [low, high] = [0, this.spans.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.spans[middle][1] < place) low = middle + 1;
      else high = middle;
    }
    return low < this.spans.length && this.spans[low][0] <= place;
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

  /** Add many single places, in ascending order: one pass, however many they are. */
  addEach(places) {
    const spans = [];
    const take = (first, last) => {
      const before = spans.at(-1);
      if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
      else spans.push([first, last]);
    };
    let at = 0;
    for (const place of places) {
      while (at < this.spans.length && this.spans[at][0] <= place) take(...this.spans[at++]);
      take(place, place);
    }
    while (at < this.spans.length) take(...this.spans[at++]);
    this.spans = spans;
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
