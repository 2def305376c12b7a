/** Where defaults come from, in words. */

/** The tuning guides of the gateway whose names this project keeps. */
export const DOCUMENTS = "the documents";
/** Decided here. */
export const OURS = "this project";
