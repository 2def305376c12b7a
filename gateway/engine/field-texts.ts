/** Fields of answers as they go out, kept by name: most values are the same for every answer. */

/** RFC 9110 §5.5; what a value may have beside visible ASCII goes out as latin1, as node:http sends it. */
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
/** Names of which a field is kept: far more than there are, unless somebody makes them up. */
const MAX_NAMES = 256;

type Kept = { readonly name: string; value: string; text: string };

export class FieldTexts {
  private readonly nameText: (name: string) => string | undefined;
  private readonly valueText: (value: string) => string;
  /** By name: with the value that was sent last. */
  private readonly kept = new Map<string, Kept>();

  /** How a field is written: `nameText` of its name, undefined for what is none, and `valueText` behind it. */
  constructor(nameText: (name: string) => string | undefined, valueText: (value: string) => string) {
    this.nameText = nameText;
    this.valueText = valueText;
  }

  /** The field; undefined when it cannot be written. */
  of(name: string, value: string): string | undefined {
    const known = this.kept.get(name);
    if (known !== undefined && known.value === value) return known.text;
    if (NOT_IN_VALUE.test(value)) return undefined;
    const kept = known ?? this.keep(name);
    if (kept === undefined) return undefined;
    kept.text = kept.name + this.valueText(value);
    kept.value = value;
    return kept.text;
  }

  private keep(name: string): Kept | undefined {
    const written = this.nameText(name);
    if (written === undefined) return undefined;
    if (this.kept.size >= MAX_NAMES) this.kept.clear();
    const kept = { name: written, value: "", text: written + this.valueText("") };
    this.kept.set(name, kept);
    return kept;
  }
}
