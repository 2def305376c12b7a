/** Reads a rendered file of `name = value` lines, for whoever wants the same numbers in another form. */

/** Name and value in the file's order, without quotes; sections, comments and empty values are left out. */
export function assignmentsOf(text: string): readonly (readonly [string, string])[] {
  return text.split("\n").flatMap((line) => {
    const [, name, value = ""] = /^\s*([a-z][a-z0-9_.]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const bare = /^'.*'$/.test(value) ? value.slice(1, -1).replaceAll("''", "'") : value;
    return name === undefined || bare === "" ? [] : [[name, bare] as const];
  });
}
