// How often something is done.
import { sleep } from "../shared/dom.js";

const LEAST = 250; // ms
const SHARE = 3; // of the time that the work took

/** Run again and again as it is called, but never side by side and never more than a quarter of the time: calls that
 * come meanwhile are one more run. Work that throws is tried at the next call. */
export function atMostOften(work, least = LEAST) {
  let busy = false,
    again = false;
  const run = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    const started = performance.now();
    try {
      await work();
    } catch {
      /* the next call asks again */
    }
    await sleep(Math.max(least, SHARE * (performance.now() - started)));
    busy = false;
    if (again) {
      again = false;
      run();
    }
  };
  return run;
}
