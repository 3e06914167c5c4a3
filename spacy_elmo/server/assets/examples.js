/** Texts to begin with. */

/** @typedef {import("./state.js").State} State */

/** @type {{label: string, state: Partial<State>}[]} */
const EXAMPLES = [
  {
    label: "Bank",
    state: {
      text: [
        "She sat on the bank of the river and watched the boats.",
        "There were flowers on the bank of the stream.",
        "The bank lent him money to buy a house.",
      ].join("\n"),
      style: "neighbours",
      token: { text: "bank", number: 1 },
    },
  },
  {
    label: "Bear",
    state: {
      text: [
        "A brown bear came out of the forest.",
        "The bear caught a fish in the river.",
        "We saw a bear and her two cubs.",
        "I cannot bear the noise any longer.",
        "She could not bear to see him go.",
        "They have to bear the costs.",
      ].join("\n"),
      style: "map",
      word: "bear",
    },
  },
  {
    label: "Paraphrases",
    state: {
      text: [
        "The company bought a small firm in London last year.",
        "Last year, a little London business was acquired by the company.",
      ].join("\n"),
      style: "similarity",
      pair: null,
    },
  },
];

export const FIRST_EXAMPLE = EXAMPLES[0].state;

/**
 * Offer the examples.
 * @param {HTMLElement} list
 * @param {(state: Partial<State>) => void} choose  Gets the one that is chosen.
 */
export function listExamples(list, choose) {
  for (const { label, state } of EXAMPLES) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", () => choose(state));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
}
