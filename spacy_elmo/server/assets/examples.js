/** Texts to begin with. */

/** @typedef {import("./state.js").State} State */

/** @type {{label: string, state: Partial<State>}[]} */
export const EXAMPLES = [
  {
    label: "Two kinds of bank",
    state: {
      text: [
        "She sat on the bank of the river and watched the boats.",
        "The bank of the stream was covered with flowers.",
        "He went to the bank and put his money into an account.",
      ].join("\n"),
      style: "neighbours",
      token: { text: "bank", number: 1 },
    },
  },
  {
    label: "Bear: animal or verb",
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
    label: "Two paraphrases",
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
