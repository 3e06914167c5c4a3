/** Requests to the server: one at a time, the newest wins, and what may pass is tried again. */

/** After so long, a server that does not answer counts as one that cannot be reached. */
const PATIENCE_MS = 60_000;
/** Between attempts to reach the server. */
const FIRST_PAUSE_S = 0.5;
const LONGEST_PAUSE_S = 4;
const SHORTEST_PAUSE_S = 0.2;

/** A request that was refused, or was not sent because it would be: the same one will be refused again. */
export class Refusal extends Error {}

/** A request that may be answered later. */
class Delay extends Error {
  /**
   * @param {string} message
   * @param {number | null} seconds  What the server said; null: nothing.
   */
  constructor(message, seconds) {
    super(message);
    this.seconds = seconds;
  }
}

/**
 * Ask for something that the page cannot do without.
 * @param {string} path  Relative to the page.
 * @param {(message: string) => void} report  Gets why it takes longer; "" when that is over.
 * @returns {Promise<any>}  Never fails, and waits for a server that is away.
 */
export async function load(path, report) {
  for (let n = 0; ; n += 1) {
    try {
      const answer = await exchange(path, {});
      if (n > 0) {
        report("");
      }
      return answer;
    } catch (error) {
      await waitAfter(error, n, report);
    }
  }
}

/**
 * Keeps a figure up to date with a state: `update` asks at once if no request is under way, else when the answer
 * is there; answers to an older state are dropped.
 */
export class Updates {
  /**
   * @param {object} callbacks
   * @param {() => string} callbacks.compose  Makes the body of the newest request; throws a Refusal if it is of no
   *     use to send it.
   * @param {(answer: any) => void} callbacks.show  Gets an answer to the newest state.
   * @param {(message: string) => void} callbacks.report  Gets an error in words; "" when it is over.
   * @param {() => Promise<void>} callbacks.connect  Runs first, and again when the server may be another one.
   */
  constructor({ compose, show, report, connect }) {
    this.callbacks = { compose, show, report, connect };
    this.newest = 0;
    this.running = false;
    this.connected = false;
  }

  /** Ask for a figure of the newest state. */
  update() {
    this.newest += 1;
    if (!this.running) {
      this.run();
    }
  }

  async run() {
    const { compose, show, report, connect } = this.callbacks;
    this.running = true;
    let nFailures = 0;
    for (let asked = 0; asked !== this.newest; ) {
      if (!this.connected) {
        await connect();
        this.connected = true;
      }
      asked = this.newest;
      try {
        const answer = await exchange("api/view", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: compose(),
        });
        if (asked === this.newest) {
          report("");
          show(answer);
        }
        nFailures = 0;
      } catch (error) {
        if (error instanceof Delay) {
          await waitAfter(error, nFailures, report);
          this.connected = false;
          nFailures += 1;
          asked = 0;
        } else if (asked === this.newest) {
          report(describeError(error));
        }
      }
    }
    this.running = false;
  }
}

/**
 * @param {string} path
 * @param {RequestInit} options
 * @returns {Promise<any>}  The JSON that the server answered.
 */
async function exchange(path, options) {
  let response, content;
  try {
    response = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    content = await response.text();
  } catch {
    throw new Delay(`The server at ${location.host} cannot be reached. Is it running?`, null);
  }
  const answer = parse(content);
  if (response.ok && answer !== null) {
    return answer;
  }
  const error = answer?.error;
  const message = error ? `${error.code}: ${error.message}` : describe(response);
  // A proxy says so of a server that is away.
  if ([502, 503, 504].includes(response.status)) {
    throw new Delay(message, readSeconds(response.headers.get("Retry-After")));
  }
  throw new Refusal(message);
}

/** @param {unknown} error */
function describeError(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {string} content */
function parse(content) {
  try {
    return JSON.parse(content);
  } catch {
    return null;
  }
}

/** @param {Response} response */
function describe(response) {
  return `The server answered "${response.status} ${response.statusText}", with nothing that the page can read.`;
}

/**
 * @param {string | null} field  A number of seconds, or a date.
 * @returns {number | null}
 */
function readSeconds(field) {
  if (!field) {
    return null;
  }
  const seconds = /^\d+$/.test(field) ? Number(field) : (Date.parse(field) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? null : Math.max(SHORTEST_PAUSE_S, seconds);
}

/**
 * Say what went wrong, and wait until it is time to try again.
 * @param {unknown} error
 * @param {number} nFailures  How often this was done before.
 * @param {(message: string) => void} report
 */
async function waitAfter(error, nFailures, report) {
  const said = error instanceof Delay ? error.seconds : null;
  const seconds = said ?? Math.min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** nFailures);
  report(`${describeError(error)} The page keeps trying.`);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
