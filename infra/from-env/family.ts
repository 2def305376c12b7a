/** A family of names that share a verdict and its reason. What a name in no family and no table means, nobody has decided. */

export type Family = {
  /** `refused` where dropping the name in silence would drop a protection somebody asked for. */
  readonly verdict: "meaningless" | "refused";
  /** Why, as the end of the sentence "this name does nothing here: …". */
  readonly because: string;
  /** What serves the same purpose here, if anything does. */
  readonly instead?: string;
  /** Names, separated by white space. */
  readonly names: string;
  /** Beginnings of names that belong here too, separated by white space. */
  readonly prefixes?: string;
  /** Of a refused family: the values, in lower case, with which nothing is lost. An empty value never loses anything. */
  readonly harmless?: readonly string[];
  /** Of a refused family: the name of its switch. Switched off in the same file, the rest of the family asks for nothing. */
  readonly switchedBy?: string;
};

export function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
