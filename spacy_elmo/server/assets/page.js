/** The page: what is typed and chosen becomes a state, and the state a figure and a link. */

import { Controls } from "./controls.js";
import { FIRST_EXAMPLE, listExamples } from "./examples.js";
import { listTokens, showFigure } from "./figure.js";
import { composeQuery } from "./queries.js";
import { load, Updates } from "./requests.js";
import { DEFAULTS, readLink, writeLink } from "./state.js";
import { TokenChoice } from "./tokens.js";

/** @typedef {import("./state.js").State} State */

/** Browsers refuse to change an address many times in a second. */
const LINK_PAUSE_MS = 300;
/** An answer that takes longer is announced. */
const SLOW_MS = 500;
/** Characters of a text whose direction the browser finds. */
const LONGEST_AUTO = 20_000;

const HINT = "Type a text, or choose an example.";
const TOO_LONG_FOR_LINK = "The text is too long for a link: the link is without it.";

/** @type {<T extends HTMLElement>(id: string) => T} */
const find = (id) => /** @type {any} */ (document.getElementById(id));

/** @type {HTMLTextAreaElement} */
const text = find("text");
const figure = find("figure");
const controls = new Controls({
  styles: [...find("styles").querySelectorAll("input")],
  groups: [...find("controls").children].map((group) => /** @type {HTMLElement} */ (group)),
  word: find("word"),
  pair: [find("pair-one"), find("pair-two")],
  sameSentence: find("same-sentence"),
});

/** @type {State} */
let state = { ...DEFAULTS };
let choice = new TokenChoice(null);
/** @type {import("./queries.js").Model | null} */
let model = null;
/** When the newest change was made, in milliseconds since the page was opened. */
let changedAt = 0;
let linkTimer = 0;
let slowTimer = 0;

const updates = new Updates({
  compose: () => composeQuery(state, model),
  show: showAnswer,
  report: reportError,
  connect: loadModel,
});

/**
 * Change the state, and ask for its figure.
 * @param {Partial<State>} changes
 * @param {Event} [event]
 */
function change(changes, event) {
  changedAt = event?.timeStamp ?? performance.now();
  Object.assign(state, changes);
  updates.update();
  planLink();
  clearTimeout(slowTimer);
  slowTimer = setTimeout(() => setText("time", "· in work …"), SLOW_MS);
}

/** @param {any} answer  Of /api/view. */
function showAnswer(answer) {
  controls.offer(state, answer);
  if (answer.html) {
    showFigure(figure, answer.html, state.layer, choice);
    state.token = choice.token;
  } else {
    showHint();
  }
  const { length } = answer.sentences;
  setText("count", `${count(length, "sentence")}, ${count(answer.n_tokens, "token")}`);
  measureTime(changedAt);
}

/**
 * Say how long it took until the figure could be seen.
 * @param {number} since
 */
function measureTime(since) {
  clearTimeout(slowTimer);
  requestAnimationFrame(() =>
    // After the picture is drawn.
    setTimeout(() => {
      if (since === changedAt) {
        const { duration } = performance.measure("figure", { start: since });
        performance.clearMeasures("figure");
        setText("time", `· ${Math.round(duration)} ms`);
      }
    }),
  );
}

function showHint() {
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = HINT;
  figure.replaceChildren(hint);
}

/** @param {string} message */
function reportError(message) {
  setText("error", message);
  if (message) {
    clearTimeout(slowTimer);
    setText("count", "");
    setText("time", "");
  }
}

/** A server that was away may come back with another model. */
async function loadModel() {
  const answer = await load("api/model", reportError);
  model = answer;
  text.lang = answer.lang;
  document.title = `${answer.model}: try an ELMo model`;
  setText("model", `The model is ${answer.model}. The same word has another vector in every sentence.`);
}

function planLink() {
  clearTimeout(linkTimer);
  linkTimer = setTimeout(updateLink, LINK_PAUSE_MS);
}

/** Put the state into the address, where a reload and "back" find it. */
function updateLink() {
  clearTimeout(linkTimer);
  const { fragment, complete } = writeLink(state, location.href.split("#")[0].length);
  try {
    // What a link cannot hold, the entry in the history can.
    history.replaceState(complete ? null : { text: state.text }, "", fragment);
  } catch {
    // Too often, or too large: the next change tries again.
  }
  setText("copied", complete ? "" : TOO_LONG_FOR_LINK);
}

/** Take the state from the address. */
function followLink() {
  clearTimeout(linkTimer);
  const linked = readLink(location.hash);
  // A reload brings back what was typed.
  const content = linked.text ?? history.state?.text ?? text.value;
  if (content || linked.text !== null) {
    adopt({ ...linked, text: content });
  } else {
    adopt({ ...linked, text: FIRST_EXAMPLE.text ?? "", token: linked.token ?? FIRST_EXAMPLE.token ?? null });
  }
}

/**
 * Show a whole state in all that the page has.
 * @param {State} next
 */
function adopt(next) {
  state = next;
  choice = new TokenChoice(state.token);
  if (text.value !== state.text) {
    text.value = state.text ?? "";
  }
  controls.show(state);
  change({});
}

/** @param {Partial<State>} example */
function chooseExample(example) {
  // "Back" brings back what was there before.
  updateLink();
  history.pushState(null, "");
  adopt({ ...DEFAULTS, layer: state.layer, ...example });
  updateLink();
}

async function copyLink() {
  updateLink();
  const address = /** @type {HTMLInputElement} */ (find("address"));
  const note = find("copied").textContent;
  try {
    await navigator.clipboard.writeText(location.href);
    find("address-label").hidden = true;
    setText("copied", `Copied. ${note}`);
  } catch {
    // Not allowed, or not over plain HTTP.
    address.value = location.href;
    find("address-label").hidden = false;
    address.select();
    setText("copied", `Copy the link from the field. ${note}`);
  }
}

/**
 * @param {string} id
 * @param {string} content
 */
function setText(id, content) {
  const element = find(id);
  if (element.textContent !== content) {
    element.textContent = content;
  }
}

/**
 * @param {number} n
 * @param {string} noun
 */
function count(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

/**
 * Keep the direction of a long text: to find it at each key, a browser would take seconds.
 *
 * @param {InputEvent} event
 */
function setDirection(event) {
  const length = text.value.length + (event.data?.length ?? 0);
  const dir = length > LONGEST_AUTO ? getComputedStyle(text).direction : "auto";
  if (text.dir !== dir) {
    text.dir = dir;
  }
}

function listen() {
  text.addEventListener("beforeinput", setDirection);
  text.addEventListener("input", (event) => change({ text: text.value }, event));
  find("styles").addEventListener("change", (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    change({ style: input.value }, event);
    controls.show(state);
  });
  controls.sameSentence.addEventListener("change", (event) =>
    change({ sameSentence: controls.sameSentence.checked }, event),
  );
  controls.word.addEventListener("change", (event) => change({ word: controls.word.value || null }, event));
  for (const select of controls.pair) {
    select.addEventListener("change", (event) => {
      const [one, two] = controls.pair;
      change({ pair: [Number(one.value), Number(two.value)] }, event);
    });
  }
  figure.addEventListener("elmo:layer", (event) => {
    state.layer = /** @type {CustomEvent} */ (event).detail.layer;
    planLink();
  });
  figure.addEventListener("elmo:token", (event) => {
    choice.choose(listTokens(figure), /** @type {CustomEvent} */ (event).detail.token);
    state.token = choice.token;
    planLink();
  });
  find("copy").addEventListener("click", copyLink);
  addEventListener("hashchange", followLink);
  addEventListener("pagehide", updateLink);
}

listExamples(find("examples"), chooseExample);
listen();
followLink();
