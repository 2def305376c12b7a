/** What the translation between eras cannot carry: scenario → why. Asserted exactly, in both directions of drift. */

/** Legacy clients in front of a server that speaks only 2026-07-28. */
export const legacyOverModern: Readonly<Record<string, string>> = {};

/** Modern clients in front of a server that speaks only the legacy revisions. */
export const modernOverLegacy: Readonly<Record<string, string>> = {
  "input-required-result-basic-elicitation":
    "asserts the key of the input request; a legacy elicitation/create has no key that could be carried over",
  "input-required-result-multiple-input-requests":
    "asserts three requests in one result; a legacy server asks one after the other and waits for each answer",
  "server-stateless":
    "asserts -32021 from a tool; a legacy server tells that a capability is missing only inside a tool error",
};
