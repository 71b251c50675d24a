// Python, as the page sees it: started, asked, ended and started anew.

/** What a question ends with when somebody stops it. */
export class Stopped extends Error {}

/**
 * A worker that answers questions, one after another.
 *
 * `told(state, words)` hears how it is: "loading", "ready", "running" or "failed".
 */
export class Python {
  #site;
  #told;
  #worker = null;
  #pending = new Map();
  #number = 0;
  #ready;

  constructor(site, told) {
    this.#site = site;
    this.#told = told;
  }

  /** Start it; what is asked meanwhile waits. */
  async start() {
    this.#told("loading", "starting Python");
    const { promise, resolve } = open();
    this.#ready = promise;
    // made of its text, a worker is bound by what this page may reach
    const text = await (await fetch("worker.js")).text();
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(address, { type: "module" });
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (worker !== this.#worker) return;
      if (data.loading) this.#told("loading", data.loading);
      else if (data.doing) this.#told("running", data.doing);
      else if (data.failed) this.#told("failed", data.failed);
      else if (data.ready) {
        this.#told("ready", "");
        resolve();
      } else {
        this.#pending.get(data.number)?.resolve(data.answer);
        this.#pending.delete(data.number);
      }
    };
    worker.onerror = (event) => this.#told("failed", event.message || "the worker could not be started");
    worker.postMessage({ site: absolute(this.#site) });
  }

  /** The answer to a question. Rejects with Stopped. */
  async ask(question) {
    const number = ++this.#number;
    const { promise, resolve, reject } = open();
    this.#pending.set(number, { resolve, reject });
    this.#ready.then(() => {
      if (this.#pending.has(number)) this.#worker.postMessage({ number, request: JSON.stringify(question) });
    });
    return promise;
  }

  /** End it, whatever it does, and start it anew. */
  stop() {
    this.#worker?.terminate();
    this.#worker = null;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new Stopped());
    return this.start();
  }
}

/** A promise with what settles it. */
function open() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

/** The site's addresses as a worker without an address of its own can use them. */
function absolute({ pyodide, bundle, packages }) {
  const address = (url) => new URL(url, document.baseURI).href;
  const whole = (file) => ({ ...file, url: address(file.url) });
  return {
    bundle: whole(bundle),
    packages: address(packages),
    pyodide: Object.fromEntries(Object.entries(pyodide).map(([name, file]) => [name, whole(file)])),
  };
}
