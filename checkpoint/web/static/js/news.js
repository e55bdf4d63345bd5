// News: the stream of what changes in the log, kept open while somebody looks.

const AGAIN_MS = 2000;
const LOST = "The page's own server does not answer: trying again";
const REFUSED = "The page's own server sends no news, or too many pages are open: trying again";

export class News {
  #source = null;
  #isPaused = false;
  #tell;
  #say;

  /** `tell(jobs)` hears which jobs changed (null: any); `say(error)` why nothing is heard. */
  constructor(tell, say) {
    this.#tell = tell;
    this.#say = say;
    document.addEventListener("visibilitychange", () => this.#follow());
    this.#follow();
  }

  /** Stop, or go on from what is there then. */
  pause(isPaused) {
    this.#isPaused = isPaused;
    this.#follow();
  }

  get isPaused() {
    return this.#isPaused;
  }

  // A browser has six connections for all pages of a server: one that is not seen takes none.
  #follow() {
    const isWanted = !this.#isPaused && document.visibilityState === "visible";
    if (isWanted && !this.#source) this.#open();
    else if (!isWanted && this.#source) this.#close();
  }

  #open() {
    const source = new EventSource(new URL("api/events", document.baseURI));
    source.onmessage = (message) => {
      const { jobs, error } = JSON.parse(message.data);
      this.#say(error);
      if (jobs === null || jobs.length) this.#tell(jobs);
    };
    source.onerror = () => {
      const isRefused = source.readyState === EventSource.CLOSED;
      this.#say(isRefused ? REFUSED : LOST);
      if (!isRefused) return; // it tries again by itself
      this.#close();
      setTimeout(() => this.#follow(), AGAIN_MS);
    };
    this.#source = source;
  }

  #close() {
    this.#source.close();
    this.#source = null;
  }
}
