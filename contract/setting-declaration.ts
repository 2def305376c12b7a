/** What is declared of a setting: its kind of value, its bounds, who reads it, and of a server's knob what it does. */
/** What a knob of a server does here. One that only the other engine has is told at the start. */
export type Knob = {
  readonly engines: "both" | "fastify" | "bounded";
  /** What can be seen to change. */
  readonly effect: string;
  /** What the arguments of a named process call it, the words of every server that the sources run. */
  readonly keys?: readonly string[];
  /** `keys` say the opposite of the setting. */
  readonly opposite?: true;
};

type Common = {
  /** What gets the value from main.ts: a gateway room, `main` or `cli`. */
  readonly room: string;
  readonly description: string;
  /** Names of the sources that mean exactly the same, in the same unit. Understood with a warning. */
  readonly aliases?: readonly string[];
  /** Never shown. Of a URL, the password and the query are not. */
  readonly secret?: true;
  /** Replicas of one deployment may differ in it; in paths they may anyway. */
  readonly perProcess?: true;
  /** What stands in for a default that is only known at the start (`default: null`). */
  readonly computed?: string;
  /** Set for what the sources configure at their servers. */
  readonly knob?: Knob;
};
type Bounds = { readonly min?: number; readonly max?: number };

export type DurationUnit = "ms" | "s" | "min";
export type SettingDeclaration = Common &
  /** `auto`: the word may stand in place of a number and is found out at the start. */
  (
    | ({
        readonly type: "integer";
        readonly default: number | null;
        readonly unit?: string;
        readonly auto?: true;
      } & Bounds)
    | ({ readonly type: "number"; readonly default: number | null; readonly unit?: string } & Bounds)
    /** A number in `unit`, or a number with ms, s, m (min), h or d. The value is in `unit`. */
    | ({ readonly type: "duration"; readonly default: number | null; readonly unit: DurationUnit } & Bounds)
    /** Bytes, or a number with KiB, MiB or GiB. */
    | ({ readonly type: "bytes"; readonly default: number | null; readonly unit: "bytes" } & Bounds)
    | { readonly type: "boolean"; readonly default: boolean | null }
    /** `min` and `max` count UTF-8 bytes. */
    | ({ readonly type: "string"; readonly default: string | null; readonly pattern?: string } & Bounds)
    | { readonly type: "path"; readonly default: string | null }
    /** `form`: one that is no URL of the web's grammar and has a reader of its own. */
    | {
        readonly type: "url";
        readonly default: string | null;
        readonly schemes: readonly string[];
        readonly form?: "redis";
      }
    | ({ readonly type: "secret"; readonly default: null; readonly secret: true; readonly pattern?: string } & Bounds)
    /** `id:base64(32 bytes),…`, the first key encrypts and all decrypt; or one passphrase of 32 characters or more. */
    | { readonly type: "keyring"; readonly default: null; readonly secret: true }
    /** Letter case does not matter; `synonyms` are other words for an allowed value. */
    | {
        readonly type: "enum";
        readonly default: string | null;
        readonly allowed: readonly string[];
        readonly synonyms?: Readonly<Record<string, string>>;
      }
    /** Comma-separated, or a JSON array of strings. */
    | { readonly type: "list"; readonly default: readonly string[] | null }
  );
