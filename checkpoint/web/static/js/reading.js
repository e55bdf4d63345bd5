// Readings: what a page shows, asked for again whenever it may have changed.

const CALM_MS = 400; // between two answers, however much changes
const SHARE = 4; // an answer that was long in the making is asked for the less often
const AGAIN_MS = 2000; // after an error

export class Reading {
  #ask;
  #show;
  #fail;
  #abort = new AbortController();
  #timer = 0;
  #isBusy = false;
  #isWanted = false;

  /** `ask(signal)` is awaited; then `show(answer)` or `fail(error)` is called. */
  constructor(ask, show, fail) {
    this.#ask = ask;
    this.#show = show;
    this.#fail = fail;
    this.again();
  }

  /** Ask again, soon: what is asked for while an answer is on its way is asked for once more. */
  again() {
    this.#isWanted = true;
    if (!this.#isBusy) this.#run();
  }

  /** Ask no more until somebody wants to know again. */
  rest() {
    this.#isWanted = false;
  }

  /** Ask no more. */
  close() {
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  async #run() {
    this.#isBusy = true;
    this.#isWanted = false;
    let pause = CALM_MS;
    const begun = performance.now();
    try {
      const answer = await this.#ask(this.#abort.signal);
      if (this.#abort.signal.aborted) return;
      this.#show(answer);
      pause = Math.max(CALM_MS, SHARE * (performance.now() - begun));
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#fail(error);
      // what was asked wrongly stays wrong, everything else may get well
      this.#isWanted ||= !(error.status >= 400 && error.status < 500);
      pause = AGAIN_MS;
    }
    this.#timer = setTimeout(() => {
      this.#isBusy = false;
      if (this.#isWanted) this.#run();
    }, pause);
  }
}
